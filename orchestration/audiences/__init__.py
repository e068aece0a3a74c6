"""Audiences: definitions in yml, compiled to models that people can read.

* `reading.py`      a tree in yml, held to the catalogue
* `events.py`       what people did, and the models that all audiences share for it
* `funnels.py`      one thing after another
* `entities.py`     accounts and whatever else is related to people
* `members.py`      being in another audience
* `sources.py`      how a query comes to what its conditions name
* `queries.py`      a definition in SQL
* `definitions.py`  all definitions of a project, and what is wrong with them
* `compiling.py`    the files that they give
* `preview.py`      who would be in, before anything is built
"""
