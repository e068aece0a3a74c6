"""Profiles that look like one person, though no identifier joins them.

Normalise, block, score: what is known of each profile is written in one way; only
profiles that share a phone, an address or a name are compared; and each pair gets the
probability that both are one person, by Fellegi and Sunter's model, as splink computes
it. What people agree in and strangers do not stands below, one line per column and
degree. Nothing is drawn at random and nothing is fetched: the same profiles give the
same scores.
"""

import hashlib
import json

# How often two profiles of one person agree so, and how often those of two strangers.
# The columns that name a place for it weigh a rare name more than a common one.
COMPARISONS = {
    "email": [
        ("same", "email_l = email_r", 0.30, 0.000001),
        (
            "similar",
            "email_name_l = email_name_r "
            "or jaro_winkler_similarity(email_name_l, email_name_r) >= 0.94",
            0.25,
            0.0005,
        ),
        ("different", "ELSE", 0.45, 0.999499),
    ],
    "phone": [
        ("same", "phone_l = phone_r", 0.60, 0.00001),
        ("different", "ELSE", 0.40, 0.99999),
    ],
    "first_name": [
        ("same", "first_name_l = first_name_r", 0.80, 0.005),
        (
            "similar",
            "jaro_winkler_similarity(first_name_l, first_name_r) >= 0.88",
            0.12,
            0.01,
        ),
        ("different", "ELSE", 0.08, 0.985),
    ],
    "last_name": [
        ("same", "last_name_l = last_name_r", 0.85, 0.002),
        (
            "similar",
            "jaro_winkler_similarity(last_name_l, last_name_r) >= 0.92",
            0.07,
            0.006,
        ),
        ("different", "ELSE", 0.08, 0.992),
    ],
    "country": [
        ("same", "country_l = country_r", 0.95, 0.30),
        ("different", "ELSE", 0.05, 0.70),
    ],
}

# Columns of which a common value says less than a rare one. The table above counts as
# that many profiles that were seen before these, so that a small shop's only two Annas
# are not taken for half of the world.
BY_FREQUENCY = ("first_name", "last_name")
PROFILES_BEFORE = 1_000

# A value that more profiles share stands for no person: a switchboard, a test address.
MOST_WITH_ONE_VALUE = 20
# More profiles than these under one name are not compared by the name alone: they are
# too many for any pair of them to stand out, and their number would be squared.
MOST_IN_A_BLOCK = 500

# Two profiles are compared when they have one of these in common.
BLOCKS = ("phone", "email", "email_block", "name_block")

# What stands beside `enabled` in `vars: matching`.
SETTINGS = ("minimum_score", "expected_share")

NORMALISED = f"""
    with written as (
        select
            profile_id,
            nullif(lower(trim(email)), '') as email,
            split_part(split_part(lower(trim(email)), '@', 1), '+', 1) as before_plus,
            right(regexp_replace(phone, '[^0-9]', '', 'g'), 9) as digits,
            regexp_replace(
                strip_accents(lower(first_name)), '[\\s\\d[:punct:]]', '', 'g'
            ) as first_name,
            regexp_replace(
                strip_accents(lower(last_name)), '[\\s\\d[:punct:]]', '', 'g'
            ) as last_name,
            nullif(lower(trim(country)), '') as country
        from people
    ),

    meaningful as (
        select
            profile_id,
            case
                when count(*) over (partition by email) <= {MOST_WITH_ONE_VALUE}
                    then email
            end as email,
            nullif(replace(before_plus, '.', ''), '') as email_name,
            case
                when
                    length(digits) >= 7
                    and count(*) over (partition by digits) <= {MOST_WITH_ONE_VALUE}
                    then digits
            end as phone,
            nullif(first_name, '') as first_name,
            nullif(last_name, '') as last_name,
            country,
            nullif(left(first_name, 1), '') || ' ' || nullif(last_name, '') as name
        from written
    )

    select
        *,
        case
            when count(*) over (partition by email_name) <= {MOST_IN_A_BLOCK}
                then email_name
        end as email_block,
        case
            when count(*) over (partition by name) <= {MOST_IN_A_BLOCK} then name
        end as name_block
    from meaningful
"""


def model(dbt, session):
    """The pairs worth a look, the likeliest first."""
    try:
        import splink  # noqa: F401 - asked for here, where the answer can help
    except ImportError:
        raise RuntimeError(
            "suggested_links needs splink, which is not installed. Install the extra "
            "'matching' (pip install 'kith[matching]'), or set matching.enabled in the "
            "vars of dbt_project.yml to false."
        ) from None
    settings = checked(json.loads(dbt.config.meta_get("matching")))
    people = dbt.ref("traits_identity").to_arrow_table()
    apart = kept_apart(dbt.ref("stg_identity_rules"), dbt.ref("profile_identifiers"))
    return suggested_links(people, apart.to_arrow_table(), **settings)


def kept_apart(rules, identifiers):
    """The pairs of profiles that a person has said are two."""
    one, other = identifiers.set_alias("one"), identifiers.set_alias("other")
    return (
        rules.filter("action = 'exclude'")
        .set_alias("rules")
        .join(one, "rules.left_id = one.identifier_id")
        .join(other, "rules.right_id = other.identifier_id")
        .project("one.profile_id as profile_id, other.profile_id as other_profile_id")
    )


def checked(given):
    """The settings of `vars: matching`, or all that is wrong with them."""
    settings = {name: value for name, value in given.items() if name != "enabled"}
    problems = [f"{name} is missing" for name in SETTINGS if name not in settings]
    for name, value in settings.items():
        if name not in SETTINGS:
            known = ", ".join(("enabled", *SETTINGS))
            problems.append(f"{name} is unknown; known are {known}")
        elif not isinstance(value, (int, float)) or not 0 < value < 1:
            problems.append(f"{name} is {value!r}; it must be between 0 and 1")
    if problems:
        told = "\n  ".join(["dbt_project.yml: vars: matching:", *problems])
        raise ValueError(told)
    return settings


def suggested_links(people, apart, *, minimum_score, expected_share):
    """The pairs of `people` that score at least `minimum_score`, but for those that are
    kept `apart`, as an Arrow table.

    `expected_share` is how many of the profiles have a second one among the others:
    what is believed of a pair before anything of it is compared.
    """
    import duckdb
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    with duckdb.connect() as connection:
        connection.register("people", people)
        connection.register("apart", apart)
        connection.execute(f"create table profiles as {NORMALISED}")
        tables = DuckDBAPI(connection)
        linker = Linker(
            tables.register(connection.table("profiles")),
            SettingsCreator(
                link_type="dedupe_only",
                unique_id_column_name="profile_id",
                probability_two_random_records_match=min(
                    0.5, 2 * expected_share / max(len(people) - 1, 1)
                ),
                comparisons=[comparison(name) for name in COMPARISONS],
                blocking_rules_to_generate_predictions=[
                    block_on(column) for column in BLOCKS
                ],
            ),
            log_level=None,
        )
        for column in BY_FREQUENCY:
            linker.table_management.register_term_frequency_lookup(
                tables.register(connection.sql(frequencies(column))), column
            )
        scored = linker.inference.predict(warning_mode="never")
        agreements = ", ".join(agreement(name) for name in COMPARISONS)
        return connection.sql(
            f"""
            select
                least(profile_id_l, profile_id_r) as left_profile_id,
                greatest(profile_id_l, profile_id_r) as right_profile_id,
                match_probability as score,
                {agreements},
                '{model_version(expected_share)}' as model_version
            from {scored.physical_name}
            where
                match_probability >= {minimum_score}
                and not exists (
                    select 1 from apart
                    where
                        (profile_id = profile_id_l and other_profile_id = profile_id_r)
                        or (
                            profile_id = profile_id_r
                            and other_profile_id = profile_id_l
                        )
                )
            order by score desc, left_profile_id, right_profile_id
            """
        ).to_arrow_table()


def comparison(column):
    """A column's degrees as splink takes them; nothing is said by what is missing."""
    from splink.comparison_level_library import CustomLevel
    from splink.comparison_library import CustomComparison

    missing = f"{column}_l is null or {column}_r is null"
    levels = [CustomLevel(missing, "missing").configure(is_null_level=True)]
    for degree, condition, of_one_person, of_strangers in COMPARISONS[column]:
        level = CustomLevel(condition, degree).configure(
            m_probability=of_one_person, u_probability=of_strangers
        )
        if degree == "same" and column in BY_FREQUENCY:
            level.configure(tf_adjustment_column=column)
        levels.append(level)
    return CustomComparison(levels, output_column_name=column)


def frequencies(column):
    """How many of the others have a value, among these profiles and those before."""
    usual = COMPARISONS[column][0][3]
    return f"""
        select
            {column},
            (greatest(count(*) - 2, 0) + {PROFILES_BEFORE} * {usual})
            / (greatest(sum(count(*)) over () - 2, 0) + {PROFILES_BEFORE})
                as tf_{column}
        from profiles
        where {column} is not null
        group by {column}
    """


def agreement(column):
    """The degree in words; splink counts from 0, the last one, and -1 is missing."""
    degrees = [degree for degree, *_ in reversed(COMPARISONS[column])]
    words = " ".join(
        f"when {number} then '{degree}'" for number, degree in enumerate(degrees)
    )
    return f"case gamma_{column} {words} else 'missing' end as {column}_agreement"


def model_version(expected_share):
    """Another one whenever the same two profiles may score differently."""
    import splink

    believed = [COMPARISONS, BY_FREQUENCY, PROFILES_BEFORE, BLOCKS, NORMALISED]
    text = json.dumps([believed, expected_share, splink.__version__])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
