-- The keys at which payload and digest differ, by the hashes of their rows; a row without
-- a key is among them. All other rows the destination holds just as they are.
select
    coalesce(payload.key, same.key) as key,
    payload.row_hash is not null as is_in_payload,
    payload.row_hash,
    payload.is_allowed,
    payload.fields,
    same.digest_row,
    same.is_held
from sync_rows as payload
full outer join sync_same as same on payload.key = same.key
where
    (payload.row_hash is null and same.is_held)
    or payload.row_hash is distinct from same.row_hash
    or not payload.is_allowed
