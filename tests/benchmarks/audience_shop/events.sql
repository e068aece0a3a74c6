-- Events of a shop as the event models publish them: $events from number $first on, of
-- $people people, over the $days days before $until, in order of time. Nobody is alike:
-- a few people do most, and who orders much has looked much.
create schema if not exists events;
create schema if not exists profiles;

create or replace temp table drawn as
select
    number,
    timestamptz '$until' - to_seconds(cast($days * 86400.0 * (1 - (number - $first) / $events) as double)) as timestamp,
    -- The square of a share: the first people of the list come up most often.
    cast(floor(power((hash(number) % 1000003) / 1000003.0, 2) * $people) as bigint) as person,
    hash(number * 7 + 1) % 1000 as kind,
    cast(hash(number * 7 + 2) % 1000000007 as bigint) as chance,
    cast(hash(number * 7 + 3) % 1000000007 as bigint) as another_chance
from range($first, $first + $events) as numbers (number);

create or replace temp table told as
select
    'shop' as source_id,
    md5(cast(number as varchar)) as message_id,
    substr(md5('person:' || person), 1, 16) as profile_id,
    'user-' || person as user_id,
    cast(null as varchar) as anonymous_id,
    timestamp,
    timestamp + interval 2 seconds as received_at,
    person, kind, chance, another_chance
from drawn;

create table if not exists events.page_viewed as
select
    source_id, message_id, profile_id, user_id, anonymous_id, timestamp, received_at,
    'Page' as page_name,
    cast(null as varchar) as category,
    '' as path,
    '' as url,
    '' as title,
    cast(null as varchar) as referrer,
    cast(null as varchar) as search
from told
where false;

insert into events.page_viewed
select
    source_id, message_id, profile_id, user_id, anonymous_id, timestamp, received_at,
    'Page', null,
    ['/', '/sale', '/sale/shoes', '/coats', '/help', '/about'][1 + chance % 6],
    'https://shop.example/', 'Shop', null, null
from told
where kind < 550;

create table if not exists events.product_viewed as
select
    source_id, message_id, profile_id, user_id, anonymous_id, timestamp, received_at,
    '' as product_id,
    '' as name,
    '' as category,
    cast(0 as decimal(12, 2)) as price,
    'EUR' as currency
from told
where false;

insert into events.product_viewed
select
    source_id, message_id, profile_id, user_id, anonymous_id, timestamp, received_at,
    'p' || chance % 500,
    'Product ' || chance % 500,
    ['shoes', 'coats', 'hats', 'bags', 'socks', 'belts'][1 + chance % 500 % 6],
    cast(5 + another_chance % 20000 / 100 as decimal(12, 2)),
    'EUR'
from told
where kind >= 550 and kind < 800;

create table if not exists events.product_added as
select
    source_id, message_id, profile_id, user_id, anonymous_id, timestamp, received_at,
    '' as cart_id,
    '' as product_id,
    '' as name,
    cast(0 as decimal(12, 2)) as price,
    cast(1 as bigint) as quantity,
    'EUR' as currency
from told
where false;

insert into events.product_added
select
    source_id, message_id, profile_id, user_id, anonymous_id, timestamp, received_at,
    'c' || person,
    'p' || chance % 500,
    'Product ' || chance % 500,
    cast(5 + another_chance % 20000 / 100 as decimal(12, 2)),
    1 + another_chance % 3,
    'EUR'
from told
where kind >= 800 and kind < 900;

create table if not exists events.order_completed as
select
    source_id, message_id, profile_id, user_id, anonymous_id, timestamp, received_at,
    '' as order_id,
    cast(0 as decimal(12, 2)) as total,
    'EUR' as currency,
    cast(null as varchar) as coupon,
    cast(null as json) as products
from told
where false;

insert into events.order_completed
select
    source_id, message_id, profile_id, user_id, anonymous_id, timestamp, received_at,
    'o' || substr(message_id, 1, 12),
    cast(5 + chance % 24500 / 100 as decimal(12, 2)),
    ['EUR', 'GBP', 'USD'][1 + another_chance % 3],
    case when another_chance % 10 = 0 then 'SAVE' || another_chance % 40 end,
    '[]'
from told
where kind >= 900 and kind < 995;

create table if not exists events.order_refunded as
select
    source_id, message_id, profile_id, user_id, anonymous_id, timestamp, received_at,
    '' as order_id,
    cast(0 as decimal(12, 2)) as total,
    'EUR' as currency,
    cast(null as varchar) as reason
from told
where false;

insert into events.order_refunded
select
    source_id, message_id, profile_id, user_id, anonymous_id, timestamp, received_at,
    'o' || substr(message_id, 1, 12),
    cast(5 + chance % 24500 / 100 as decimal(12, 2)),
    'EUR', null
from told
where kind >= 995;
