"""Tools around the tracking plan: they make it, carry it elsewhere and hold code to it.

The plan itself is the yml of the event models; `collector.plan` reads it.
"""
