"""Which models read which property of which event, column by column.

The SQL that dbt compiled is followed from the payloads of the stored events to the
payloads of the syncs.

* `reads.py`    what a column reads of events
* `paths.py`    paths into JSON
* `scopes.py`   the names at one place of a query
* `queries.py`  what one query reads
* `models.py`   what each model reads, and who reads a property
"""
