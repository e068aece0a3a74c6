-- A crowd in the demo's shop, in numbers: who came when, on which device, and did what.
-- Everything follows from the numbers of people, so the same crowd comes every time.
-- Parameters: the people ($first to $last), the number of visits by people who were
-- there before ($returning, of the people before $first), the moments $opened and $closed,
-- and how many $events there are.
create or replace temp table moments as
with

-- The last visits begin an hour before the end.
opening as (

    select
        cast(epoch(cast($closed as timestamptz) - $opened) as bigint) - 3600
            as open_seconds

),

numbered as (

    select
        person,
        dice_of('person', person) as dice
    from range($first, $last) as everybody (person)

),

-- Most people come once, a few come very often.
newcomers as (

    select
        person,
        dice,
        case
            when pick(dice, 0) < 550 then 1
            when pick(dice, 0) < 750 then 2
            when pick(dice, 0) < 850 then 3
            when pick(dice, 0) < 910 then 4
            when pick(dice, 0) < 950 then 6
            when pick(dice, 0) < 980 then 10
            when pick(dice, 0) < 995 then 20
            else 60
        end as visit_count
    from numbered

),

first_visits as (

    select
        person,
        visit,
        visit_count,
        dice % open_seconds as arrived,
        (open_seconds - dice % open_seconds) // visit_count + 1 as pace
    from newcomers
    cross join opening
    cross join unnest(range(visit_count)) as visits (visit)

),

-- Later visits of people who are known from an earlier crowd.
further_visits as (

    select
        dice_of('returning', $first || '-' || visit) % $first as person,
        1000 + visit as visit,
        null as visit_count,
        (visit * 7919) % open_seconds as arrived,
        1 as pace
    from range($returning) as visits (visit)
    cross join opening

),

visits as (

    select
        *,
        visit as place
    from first_visits
    union all
    select
        *,
        0 as place
    from further_visits

),

visitors as (

    select
        *,
        dice_of('person', person) as who,
        dice_of('visit', person || '-' || visit) as dice
    from visits

),

-- One in three signs up, those who come back sooner; some use several devices.
recognised as (

    select
        *,
        pick(who, 1) < case when pick(who, 0) < 550 then 150 else 550 end
            as is_customer,
        case when pick(who, 0) < 550 then 0 else pick(who, 2) % 2 end as joining_visit,
        case
            when visit >= 1000 and pick(dice, 3) < 50 then 3
            when pick(who, 0) >= 750 and visit > 1
                then pick(dice, 1) % (1 + pick(who, 3) % 3)
            else 0
        end as device
    from visitors

),

stayed as (

    select
        *,
        is_customer and visit = joining_visit as joins,
        is_customer and visit > joining_visit as is_signed_in,
        row_number() over (partition by person, device order by visit) = 1
        and (device > 0 or visit >= 1000)
        and (visit < 1000 or device = 3) as is_new_device,
        $opened + to_seconds(cast(arrived + place * pace + dice % pace as bigint))
            as started_at,
        case
            when is_customer and visit = joining_visit then 5 + pick(dice, 0) % 5
            when pick(dice, 0) < 250 then 1
            else 2 + pick(dice, 0) % 9
        end as step_count
    from recognised

),

-- The crowd ends with the event that was asked for.
counted as (

    select
        *,
        sum(step_count) over (
            order by person, visit rows between unbounded preceding and current row
        ) as steps_until
    from stayed

),

steps as (

    select
        counted.*,
        step,
        dice_of('step', person || '-' || visit || '-' || step) as dice_of_step
    from counted
    cross join unnest(range(step_count)) as steps_taken (step)
    where steps_until - step_count + step < $events

),

done as (

    select
        person,
        visit,
        step,
        device,
        who,
        dice_of_step as dice,
        is_signed_in or (joins and step > 0) as is_known,
        started_at + to_seconds(step * 40 + dice_of_step % 40) as happened_at,
        case
            when step = 0 then 'page'
            when joins and step = 1 then 'identify'
            when joins and step = 2 then 'Signed Up'
            when joins and step = 3 and person % 17 = 0 then 'group'
            when joins and step = 3 and person % 37 = 0 then 'alias'
            when is_signed_in and is_new_device and step = 1 then 'identify'
            when is_signed_in and is_new_device and step = 2 then 'Signed In'
            when
                is_signed_in and step_count > 4 and pick(dice, 2) < 250
                and step = step_count - 2
                then 'Order Completed'
            when
                is_signed_in and step_count > 4 and pick(dice, 2) < 20
                and step = step_count - 1
                then 'Order Refunded'
            when pick(dice_of_step, 0) < 500 then 'Product Viewed'
            when pick(dice_of_step, 0) < 800 then 'page'
            else 'Product Added'
        end as kind,
        joins
    from steps

)

-- What was not acknowledged is sent again, and a device without a net sends days later.
select
    done.*,
    least(
        $closed - interval 1 second,
        happened_at + to_seconds(
            1 + dice % 5 + again * 90
            + case when pick(dice, 4) < 5 then dice % 259200 else 0 end
        )
    ) as received_at
from done
cross join unnest(case when pick(dice, 3) < 5 then [0, 1] else [0] end) as sent (again)
order by received_at, person, visit, step
