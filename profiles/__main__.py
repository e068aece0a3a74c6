"""`python -m profiles`: the Profile API in the foreground."""

from profiles.app import serve
from profiles.settings import ProfilesSettings

serve(ProfilesSettings())
