select *
from {{ ref('conservation') }}
where arrived_count <> stored_count + duplicate_count + quarantined_count
