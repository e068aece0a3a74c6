-- The keys whose rows would pass a cap. A person may have several rows in the plan; who
-- is known by no key counts by the key itself.
with

caps as (

    from audiences.capped_syncs
    where list_contains($caps, cap)

),

recent as (

    select
        caps.cap,
        caps.key_type,
        log.sync,
        log.key,
        log.outcome,
        log.code,
        log.at = max(log.at) over (partition by caps.cap, log.sync, log.key) as is_last
    from sync_contacts_rows as log
    inner join caps on log.sync = caps.sync
    where
        log.operation in ('insert', 'update')
        and log.at > now() - to_days(cast(caps.within_days as integer))

),

-- What was under way when its run was killed may have arrived. To send it again is the
-- same contact, unless it is another sync that sends.
counted as (

    select
        recent.cap,
        coalesce(contact_keys.profile_id, recent.key) as person,
        1 as contacts
    from recent
    left join audiences.contact_keys
        on recent.key_type = contact_keys.key_type and recent.key = contact_keys.key
    where
        recent.outcome = 'succeeded'
        or (recent.code = 'unknown' and recent.is_last and recent.sync <> $sync)

    union all

    select
        cap,
        profile_id as person,
        event_contacts as contacts
    from audiences.frequency_caps

),

contacted as (

    select
        cap,
        person,
        sum(contacts) as contacts
    from counted
    group by all

),

asked as (

    select
        caps.cap,
        caps.contact_limit,
        changes.key,
        coalesce(contact_keys.profile_id, changes.key) as person
    from sync_changes as changes
    inner join caps on caps.sync = $sync
    left join audiences.contact_keys
        on caps.key_type = contact_keys.key_type and changes.key = contact_keys.key
    where
        changes.verdict = 'send'
        and changes.kind <> 'left'
        and changes.operation in ('insert', 'update')

),

placed as (

    select
        *,
        row_number() over (partition by cap, person order by key) as place
    from asked

)

select distinct placed.key
from placed
left join contacted
    on placed.cap = contacted.cap and placed.person = contacted.person
where placed.place + coalesce(contacted.contacts, 0) > placed.contact_limit
