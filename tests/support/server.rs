/// The address of a real server to test against: `OUTFLOW_TEST_NAME`, as `.ci/services` sets it. Without one the test is
/// left out; not so in CI, where it fails.
pub fn server(name: &str) -> Option<String> {
    let variable = format!("OUTFLOW_TEST_{}", name.to_uppercase());
    let address = std::env::var(&variable).ok().filter(|address| !address.is_empty());
    assert!(
        address.is_some() || std::env::var_os("CI").is_none(),
        "`{variable}` is not set; `.ci/services` sets it"
    );
    if address.is_none() {
        eprintln!("left out: `{variable}` is not set; see `.ci/services`");
    }
    address
}
