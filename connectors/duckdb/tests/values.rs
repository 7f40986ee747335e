use super::*;

/// An expression, its type, and its cell.
const CELLS: &[(&str, &str, &str)] = &[
    ("null", "INTEGER", "Null"),
    ("true", "BOOLEAN", "Bool(true)"),
    ("null::boolean", "BOOLEAN", "Null"),
    ("(-128)::tinyint", "TINYINT", "Integer(-128)"),
    ("(-32768)::smallint", "SMALLINT", "Integer(-32768)"),
    ("7::integer", "INTEGER", "Integer(7)"),
    ("9223372036854775807", "BIGINT", "Integer(9223372036854775807)"),
    ("255::utinyint", "UTINYINT", "Integer(255)"),
    ("65535::usmallint", "USMALLINT", "Integer(65535)"),
    ("4294967295::uinteger", "UINTEGER", "Integer(4294967295)"),
    ("7::ubigint", "UBIGINT", "Integer(7)"),
    ("18446744073709551615::ubigint", "UBIGINT", "Decimal { digits: 18446744073709551615, scale: 0 }"),
    (
        "(-170141183460469231731687303715884105728)::hugeint",
        "HUGEINT",
        "Decimal { digits: -170141183460469231731687303715884105728, scale: 0 }",
    ),
    ("5::uhugeint", "UHUGEINT", "Decimal { digits: 5, scale: 0 }"),
    (
        "340282366920938463463374607431768211455::uhugeint",
        "UHUGEINT",
        "Text(\"340282366920938463463374607431768211455\")",
    ),
    ("1.1::float", "FLOAT", "Float(1.1)"),
    ("0.1::double", "DOUBLE", "Float(0.1)"),
    ("'nan'::double", "DOUBLE", "Float(NaN)"),
    ("'-inf'::double", "DOUBLE", "Float(-inf)"),
    ("(-1.50)::decimal(4,2)", "DECIMAL(4,2)", "Decimal { digits: -150, scale: 2 }"),
    ("1.5::decimal(9,3)", "DECIMAL(9,3)", "Decimal { digits: 1500, scale: 3 }"),
    ("1.5::decimal(18,3)", "DECIMAL(18,3)", "Decimal { digits: 1500, scale: 3 }"),
    (
        "99999999999999999999999999999999999999::decimal(38,0)",
        "DECIMAL(38,0)",
        "Decimal { digits: 99999999999999999999999999999999999999, scale: 0 }",
    ),
    ("'Zoë'", "VARCHAR", "Text(\"Zoë\")"),
    ("''", "VARCHAR", "Text(\"\")"),
    ("'\\xC0\\x0F'::blob", "BLOB", "Bytes([192, 15])"),
    ("date '2024-02-29'", "DATE", "Date(2024-02-29)"),
    ("date '0001-01-01'", "DATE", "Date(0001-01-01)"),
    ("date '9999-12-31'", "DATE", "Date(9999-12-31)"),
    ("date 'infinity'", "DATE", "Malformed(\"an infinite time\")"),
    ("date '-infinity'", "DATE", "Malformed(\"an infinite time\")"),
    ("date '20000-01-01'", "DATE", "Malformed(\"a time outside the years -9999 to 9999\")"),
    ("time '10:11:12.5'", "TIME", "Text(\"10:11:12.5\")"),
    ("timestamp '2026-01-02 03:04:05.123456'", "TIMESTAMP", "DateTime(2026-01-02T03:04:05.123456)"),
    ("timestamp '1969-12-31 23:59:59.5'", "TIMESTAMP", "DateTime(1969-12-31T23:59:59.5)"),
    ("timestamp '0001-01-01 00:00:00.000001'", "TIMESTAMP", "DateTime(0001-01-01T00:00:00.000001)"),
    ("timestamp '9999-12-31 23:59:59.999999'", "TIMESTAMP", "DateTime(9999-12-31T23:59:59.999999)"),
    ("timestamp 'infinity'", "TIMESTAMP", "Malformed(\"an infinite time\")"),
    ("'2026-01-02 03:04:05'::timestamp_s", "TIMESTAMP_S", "DateTime(2026-01-02T03:04:05)"),
    ("'2026-01-02 03:04:05.123'::timestamp_ms", "TIMESTAMP_MS", "DateTime(2026-01-02T03:04:05.123)"),
    (
        "'2026-01-02 03:04:05.123456789'::timestamp_ns",
        "TIMESTAMP_NS",
        "DateTime(2026-01-02T03:04:05.123456789)",
    ),
    (
        "timestamptz '2026-01-02 03:04:05.5+02'",
        "TIMESTAMP WITH TIME ZONE",
        "Timestamp(2026-01-02T01:04:05.5Z)",
    ),
    ("timestamptz '2026-01-02 03:04:05'", "TIMESTAMP WITH TIME ZONE", "Timestamp(2026-01-02T03:04:05Z)"),
    ("timestamptz '-infinity'", "TIMESTAMP WITH TIME ZONE", "Malformed(\"an infinite time\")"),
    ("interval '14 months 3 days 1.5 seconds'", "INTERVAL", "Text(\"P14M3DT1.5S\")"),
    ("uuid '00112233-4455-6677-8899-AABBCCDDEEFF'", "UUID", "Text(\"00112233-4455-6677-8899-aabbccddeeff\")"),
    ("'y'::enum('x', 'y')", "ENUM('x', 'y')", "Text(\"y\")"),
    ("null::enum('x', 'y')", "ENUM('x', 'y')", "Null"),
    ("'{\"a\": 1}'::json", "JSON", "Json(\"{\\\"a\\\": 1}\")"),
    ("'[1]'::json", "JSON", "List(\"[1]\")"),
    ("[1, null, 3]", "INTEGER[]", "List(\"[1,null,3]\")"),
    ("[]::varchar[]", "VARCHAR[]", "List(\"[]\")"),
    ("null::integer[]", "INTEGER[]", "Null"),
    ("[[1], [2, 3], null]", "INTEGER[][]", "List(\"[[1],[2,3],null]\")"),
    ("array_value(1.5, 2.5)", "DECIMAL(2,1)[2]", "List(\"[1.5,2.5]\")"),
    ("['a\"b', 'c']::enum('a\"b', 'c')[]", "ENUM('a\"b', 'c')[]", "List(\"[\\\"a\\\\\\\"b\\\",\\\"c\\\"]\")"),
    (
        "{'a': date '2026-01-02', 'b c': timestamptz '2026-01-02 03:04:05+00', 'j': '[1]'::json}",
        "STRUCT(a DATE, \"b c\" TIMESTAMP WITH TIME ZONE, j JSON)",
        "Json(\"{\\\"a\\\":\\\"2026-01-02\\\",\\\"b c\\\":\\\"2026-01-02T03:04:05Z\\\",\\\"j\\\":[1]}\")",
    ),
    ("null::struct(a integer)", "STRUCT(a INTEGER)", "Null"),
    ("map {'a': 1, 'b': null}", "MAP(VARCHAR, INTEGER)", "Json(\"{\\\"a\\\":1,\\\"b\\\":null}\")"),
    (
        "map {2: [timestamp '2026-01-02 03:04:05']}",
        "MAP(INTEGER, TIMESTAMP[])",
        "Json(\"{\\\"2\\\":[\\\"2026-01-02T03:04:05\\\"]}\")",
    ),
    ("[date 'infinity']", "DATE[]", "Malformed(\"an infinite time\")"),
];

#[tokio::test]
async fn every_type_has_its_cell() {
    let columns: Vec<String> =
        CELLS.iter().enumerate().map(|(i, (sql, ..))| format!("{sql} as c{i}")).collect();
    // The row is the second of two, so that a reader that looks at the first one shows.
    let sql = format!("select {} from range(2)", columns.join(", "));
    let schema = shape(&memory(), &sql).await.unwrap();
    let (_, kept) = extract(&memory(), &sql).await.unwrap();
    let rows = kept.rows();
    assert_eq!(rows.len(), 2);
    let found = |i: usize| (schema.columns[i].declared.as_str(), rows[1][i].as_str());
    let wrong: Vec<_> = CELLS
        .iter()
        .enumerate()
        .filter(|(i, (_, declared, cell))| found(*i) != (*declared, *cell))
        .map(|(i, (sql, ..))| format!("{sql}: {:?}", found(i)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn values_stay_in_their_rows() {
    let sql = "select i, case when i % 2 = 0 then [i, i + 1] end as l, {'a': i::varchar} as s, \
        map {i: case when i > 2 then 'x' || i end} as m, (['x', 'y'])[i % 2 + 1]::enum('x', 'y') as e \
        from range(5000) r(i)";
    let (extract, kept) = extract(&memory(), sql).await.unwrap();
    assert_eq!(extract.rows, 5000);
    let rows = kept.rows();
    assert_eq!(
        rows[4998],
        [
            "Integer(4998)",
            "List(\"[4998,4999]\")",
            "Json(\"{\\\"a\\\":\\\"4998\\\"}\")",
            "Json(\"{\\\"4998\\\":\\\"x4998\\\"}\")",
            "Text(\"x\")"
        ]
    );
    assert_eq!(rows[1][1], "Null");
    assert_eq!((rows[1][3].as_str(), rows[1][4].as_str()), ("Json(\"{\\\"1\\\":null}\")", "Text(\"y\")"));
}

#[tokio::test]
async fn a_type_without_a_reading_asks_for_a_cast() {
    for (sql, declared) in [
        ("'0101'::bit", "BIT"),
        ("timetz '10:11:12+02'", "TIME WITH TIME ZONE"),
        ("union_value(num := 2)", "UNION(num INTEGER)"),
        ("[union_value(num := 2)]", "UNION(num INTEGER)[]"),
        ("row(1, 2)", "STRUCT(INTEGER, INTEGER)"),
        ("7::bignum", "BIGNUM"),
        ("7::variant", "VARIANT"),
    ] {
        let sql = format!("select {sql} as odd");
        for error in [shape(&memory(), &sql).await.err(), extract(&memory(), &sql).await.err()] {
            let error = error.unwrap_or_else(|| panic!("{sql} was taken"));
            assert_eq!(
                error.message,
                format!("connection `warehouse`: column `odd` is of type `{declared}`, which cannot be read")
            );
            assert!(error.hint.unwrap().contains("odd::text"), "{sql}");
        }
        let cast = format!("select odd::text as odd from ({sql})");
        assert!(extract(&memory(), &cast).await.unwrap().1.rows()[0][0].starts_with("Text("), "{sql}");
    }
}
