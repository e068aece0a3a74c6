"""The demo: a made-up shop whose events travel the whole path, from SDK to audience."""
