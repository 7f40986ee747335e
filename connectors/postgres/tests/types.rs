use super::*;

/// SQL of one value, and its cell.
const CELLS: &[(&str, &str)] = &[
    ("null::int", "Null"),
    ("true", "Bool(true)"),
    ("(-32768)::int2", "Integer(-32768)"),
    ("2147483647", "Integer(2147483647)"),
    ("(-9223372036854775808)::int8", "Integer(-9223372036854775808)"),
    ("4294967295::oid", "Integer(4294967295)"),
    ("1.1::float4", "Float(1.1)"),
    ("'NaN'::float8", "Float(NaN)"),
    ("'-Infinity'::float8", "Float(-inf)"),
    ("0.1::float8", "Float(0.1)"),
    ("12.50::numeric(10,2)", "Decimal { digits: 1250, scale: 2 }"),
    ("-0.001", "Decimal { digits: -1, scale: 3 }"),
    (
        "99999999999999999999999999999999999999",
        "Decimal { digits: 99999999999999999999999999999999999999, scale: 0 }",
    ),
    ("1234567890123456789012345678901234567890.5", "Text(\"1234567890123456789012345678901234567890.5\")"),
    ("'NaN'::numeric", "Float(NaN)"),
    ("'Infinity'::numeric", "Float(inf)"),
    ("'zoë😀'::text", "Text(\"zoë😀\")"),
    ("'a'::varchar(5)", "Text(\"a\")"),
    ("'ab'::char(3)", "Text(\"ab \")"),
    ("'mood'::name", "Text(\"mood\")"),
    ("'\\xc0ff'::bytea", "Bytes([192, 255])"),
    ("'{\"b\": 1, \"a\": [1.0]}'::json", "Json(\"{\\\"b\\\": 1, \\\"a\\\": [1.0]}\")"),
    ("'[1, 2]'::jsonb", "List(\"[1, 2]\")"),
    ("'{\"a\": 1.50}'::jsonb", "Json(\"{\\\"a\\\": 1.50}\")"),
    ("'0001-01-01'::date", "Date(0001-01-01)"),
    ("'9999-12-31'::date", "Date(9999-12-31)"),
    ("'infinity'::date", "Malformed(\"an infinite time\")"),
    ("'0044-03-15 BC'::date", "Date(-000043-03-15)"),
    ("'2024-01-02 03:04:05.678901'::timestamp", "DateTime(2024-01-02T03:04:05.678901)"),
    ("'0001-01-01 00:00:00'::timestamp", "DateTime(0001-01-01T00:00:00)"),
    ("'9999-12-31 23:59:59.999999'::timestamp", "DateTime(9999-12-31T23:59:59.999999)"),
    ("'infinity'::timestamp", "Malformed(\"an infinite time\")"),
    ("'10000-01-01'::timestamp", "Malformed(\"a time outside the years -9999 to 9999\")"),
    ("'2024-01-02 03:04:05+02'::timestamptz", "Timestamp(2024-01-02T01:04:05Z)"),
    ("'-infinity'::timestamptz", "Malformed(\"an infinite time\")"),
    ("'10:11:12.5'::time", "Text(\"10:11:12.5\")"),
    ("'10:11:12+05:30'::timetz", "Text(\"10:11:12+05:30\")"),
    ("'1 year 2 mons 3 days 4:05:06.5'::interval", "Text(\"P14M3DT14706.5S\")"),
    ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "Text(\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\")"),
    ("'192.168.0.1'::inet", "Text(\"192.168.0.1\")"),
    ("'192.168.0.0/24'::cidr", "Text(\"192.168.0.0/24\")"),
    ("'2001:db8::1/64'::inet", "Text(\"2001:db8::1/64\")"),
    ("'08:00:2b:01:02:03'::macaddr", "Text(\"08:00:2b:01:02:03\")"),
    ("b'1011'", "Text(\"1011\")"),
    ("array[1, null, 3]", "List(\"[1,null,3]\")"),
    ("array[[1.50, 2], [3, 4]]", "List(\"[[1.50,2],[3,4]]\")"),
    ("array['a\"b', 'c']::text[]", "List(\"[\\\"a\\\\\\\"b\\\",\\\"c\\\"]\")"),
    ("array[]::int[]", "List(\"[]\")"),
    ("array['2024-01-02'::date]", "List(\"[\\\"2024-01-02\\\"]\")"),
    ("array['{\"a\": 1}'::jsonb]", "List(\"[{\\\"a\\\": 1}]\")"),
    ("int4range(1, 5)", "Text(\"[1,5)\")"),
    ("'empty'::int4range", "Text(\"empty\")"),
    ("tsrange('2024-01-02', null)", "Text(\"[2024-01-02T00:00:00,)\")"),
    ("numrange(1.5, 2.5, '[]')", "Text(\"[1.5,2.5]\")"),
    ("'happy'::outflow_types.mood", "Text(\"happy\")"),
    ("array['happy']::outflow_types.mood[]", "List(\"[\\\"happy\\\"]\")"),
    (
        "row(1, 'x', null)::outflow_types.thing",
        "Json(\"{\\\"id\\\":1,\\\"name\\\":\\\"x\\\",\\\"at\\\":null}\")",
    ),
    ("5::outflow_types.positive", "Integer(5)"),
];

#[tokio::test]
async fn every_type_has_its_cell() {
    let Some(url) = server("postgres") else { return };
    let client = client(&url).await;
    client
        .batch_execute(
            "drop schema if exists outflow_types cascade; create schema outflow_types;
             create type outflow_types.mood as enum ('sad', 'happy');
             create type outflow_types.thing as (id int, name text, at timestamp);
             create domain outflow_types.positive as int check (value > 0);",
        )
        .await
        .unwrap();
    let columns: Vec<String> =
        CELLS.iter().enumerate().map(|(at, (sql, _))| format!("{sql} as c{at}")).collect();
    let rows = read(&source(json!({"url": url})), &format!("select {}", columns.join(", "))).await.unwrap();
    for ((sql, expected), cell) in CELLS.iter().zip(&rows[0]) {
        assert_eq!(cell, expected, "{sql}");
    }
}

#[tokio::test]
async fn a_type_that_has_no_reading_is_refused_with_a_cast() {
    if server("postgres").is_none() {
        return;
    }
    for (value, kind) in [
        ("'1,2'::point", "point"),
        ("12::money", "money"),
        ("'a'::tsvector", "tsvector"),
        ("row(1)", "record"),
    ] {
        let error = refused(&format!("select 1 as id, {value} as odd")).await;
        assert_eq!(error.message, format!("column `odd` is of type `{kind}`, which cannot be read"));
        assert_eq!(error.hint.as_deref(), Some("cast it in the query, as in `odd::text`"));
    }
}
