-- The moments of one day as events, as the collector lands them: $from to $until, in the
-- segment $segment.
with

told as (

    select
        *,
        person || '-' || visit || '-' || step as number,
        -- Some people share a device with somebody else.
        case when person % 211 = 1 and device = 0 then person - 1 else person end
        || '-' || device as device_number,
        pick(who, 4) < 250 as is_app,
        pick(dice, 2) % 32 as product,
        pick(dice, 1) < 10 as is_flawed,
        'user-' || person as user_number
    from moments
    where received_at >= $from and received_at < $until

),

priced as (

    select
        *,
        ['Tents', 'Lamps', 'Boots', 'Maps'][product % 4 + 1] as shelf,
        18 + product * 15 as price,
        cast(cast(md5('device ' || device_number) as uuid) as varchar) as device_id
    from told

),

described as (

    select
        *,
        printf(
            '"product_id":"sku-%02d","name":"%s %d","price":%s',
            product, shelf, product, amount(price)
        ) as product_text
    from priced

)

select
    cast(cast(md5('message ' || number) as uuid) as varchar) as message_id,
    case
        when kind in ('page', 'identify', 'group', 'alias') then kind else 'track'
    end as type,
    case
        when kind in ('page', 'identify', 'group', 'alias') then null
        when is_flawed and kind = 'Product Viewed' and product < 8 then 'Cart Exploded'
        else kind
    end as event,
    case
        when kind = 'page' then case when step = 0 then 'Home' else 'Shelf' end
    end as name,
    cast(null as varchar) as category,
    case when is_known then user_number end as user_id,
    device_id as anonymous_id,
    case when kind = 'alias' then 'app-' || person end as previous_id,
    case when kind = 'group' then 'company-' || person // 340 end as group_id,
    happened_at as timestamp,
    happened_at as original_timestamp,
    received_at - interval 1 second as sent_at,
    received_at,
    'shop' as source_id,
    case kind
        when 'page'
            then printf(
                '{"path":"/%s","referrer":"%s","search":"","title":"%s","url":"https://shop.example/%s"}',
                case when step = 0 then '' else lower(shelf) end,
                case
                    when step > 0 then 'https://shop.example/'
                    when pick(dice, 5) < 333 then 'https://search.example/'
                    else ''
                end,
                case when step = 0 then 'Outdoor shop' else shelf end,
                case when step = 0 then '' else lower(shelf) end
            )
        when 'Product Viewed'
            then printf(
                '{%s,"category":"%s","currency":"EUR"%s}',
                product_text, shelf, case when is_flawed then ',"debug":true' else '' end
            )
        when 'Product Added'
            then printf(
                '{%s,"quantity":%s,"cart_id":"cart-%s","currency":"EUR"}',
                product_text,
                case when is_flawed then '"two"' else cast(1 + pick(dice, 5) % 3 as varchar) end,
                device_number
            )
        when 'Order Completed'
            then printf(
                '{"order_id":"order-%s","total":%s,"currency":"EUR"%s,"products":[%s]}',
                number,
                case
                    when is_flawed then '"20,00"'
                    else amount(price * (1 + pick(dice, 5) % 3) + case when pick(dice, 5) % 2 = 0 then 93 else 0 end)
                end,
                case when pick(dice, 5) % 5 = 0 then ',"coupon":"AUTUMN"' else '' end,
                printf('{%s,"quantity":%d}', product_text, 1 + pick(dice, 5) % 3)
                || case
                    when pick(dice, 5) % 2 = 0
                        then ',{"product_id":"sku-05","name":"Lamps 5","price":46.5,"quantity":1}'
                    else ''
                end
            )
        when 'Order Refunded'
            then printf(
                '{"order_id":"order-%d-%d-%d","total":%s,"currency":"%s","reason":"did not fit"}',
                person, visit, step - 1, amount(price),
                case when is_flawed then 'euro' else 'EUR' end
            )
        when 'Signed Up'
            then printf(
                '{"method":"%s"}',
                case
                    when is_flawed then 'carrier pigeon'
                    else ['email', 'google', 'apple'][pick(dice, 5) % 3 + 1]
                end
            )
        when 'Signed In' then '{"method":"email"}'
    end as properties,
    case
        when kind = 'group'
            then printf(
                '{"name":"Company %d Ltd","plan":"%s","employees":%d}',
                person // 340, ['free', 'team', 'company'][person // 340 % 3 + 1],
                10 + person % 90
            )
        when kind = 'identify' and step = 1 and visit < 2
            then printf(
                '{"email":"%s.%s.%d@example.com","first_name":"%s","last_name":"%s","phone":"+43660%07d","marketing_consent":%s,"country":"%s"}',
                lower(first_name(person)), lower(last_name(person)),
                -- Some people have two accounts with one address.
                case when person % 307 = 1 then person - 1 else person end,
                first_name(person), last_name(person), person,
                case when pick(who, 5) % 9 < 5 then 'true' else 'false' end,
                ['AT', 'CH', 'DE', 'FR', 'SE'][person % 5 + 1]
            )
        when kind = 'identify' then '{}'
    end as traits,
    case
        when is_app
            then printf(
                '{"library":{"name":"analytics-%s","version":"4.1.8"},"device":{"id":"%s","type":"%s","manufacturer":"%s","model":"%s","adTrackingEnabled":%s,"advertisingId":"%s"},"os":{"name":"%s","version":"17.%d"},"app":{"name":"Outdoor shop","version":"3.%d.0","build":"%d"},"screen":{"width":390,"height":844},"locale":"de-AT","timezone":"Europe/Vienna","network":{"wifi":true,"cellular":false}%s}',
                phone_system, md5('telephone ' || device_number), phone_system,
                case phone_system when 'ios' then 'Apple' else 'Example' end,
                case phone_system when 'ios' then 'iPhone15,2' else 'Nine' end,
                case when pick(who, 5) % 3 = 0 then 'true' else 'false' end,
                cast(md5('advertising ' || device_number) as uuid),
                case phone_system when 'ios' then 'iOS' else 'Android' end,
                pick(who, 5) % 6, pick(who, 5) % 30, pick(who, 5) % 900, company_text
            )
        else printf(
            '{"library":{"name":"analytics.js","version":"next-1.81.0"},"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/14%d.0.0.0 Safari/537.36","locale":"de-AT","timezone":"Europe/Vienna","page":{"path":"/%s","referrer":"","search":"","title":"%s","url":"https://shop.example/%s"}%s%s%s}',
            pick(who, 5) % 10, lower(shelf), shelf, lower(shelf),
            case
                when pick(who, 5) % 5 = 0
                    then ',"campaign":{"source":"newsletter","medium":"email","name":"autumn"}'
                else ''
            end,
            case
                when pick(who, 5) % 3 = 0
                    then printf(
                        ',"integrations":{"Google Analytics":{"clientId":"%s"}}',
                        left(md5('analytics ' || device_number), 20)
                    )
                else ''
            end,
            company_text
        )
    end as context,
    cast(null as varchar) as integrations,
    cast(null as varchar) as extra,
    printf('10.%d.%d.%d', pick(who, 1) % 250, pick(who, 2) % 250, pick(who, 3) % 250) as ip,
    cast(null as varchar) as user_agent,
    case when is_app then 'analytics-' || phone_system else 'analytics.js' end
        as library_name,
    case when is_app then '4.1.8' else 'next-1.81.0' end as library_version,
    cast([] as varchar[]) as flags,
    $segment as segment,
    row_number() over (order by received_at, person, visit, step) - 1 as position
from (
    select
        *,
        case when pick(who, 5) % 2 = 0 then 'ios' else 'android' end as phone_system,
        case
            when is_known and person % 17 = 0
                then printf(',"groupId":"company-%d"', person // 340)
            else ''
        end as company_text
    from described
) as situated
order by position
