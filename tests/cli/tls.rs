//! Private certificate authorities and proxies.

use super::world::World;
use crate::support::{ConnectProxy, Run, Served, Tls};

const HOST: &str = "crm.example.test";

/// A project, the account it writes to in a process of its own, and TLS before that.
struct Far {
    world: World,
    served: Served,
    tls: Tls,
}

impl Far {
    fn new() -> Self {
        let world = World::new();
        let served = Served::start(
            world.path(),
            r#"{"hubspot": {"objects": {"contacts": {"score": "number", "plan": {"enum": ["A", "B"]}}}}}"#,
        );
        let tls = Tls::before(&served.url, HOST);
        world.write("authority.pem", &tls.authority);
        world.edit(
            "outflow.yml",
            "    sandbox:\n      objects: {contacts: {score: number, plan: {enum: [A, B]}}}\n",
            "",
        );
        Far { world, served, tls }
    }

    /// With this address and, where it is named, a file of authorities.
    fn at(self, base_url: &str, ca_file: Option<&str>) -> Self {
        let trust = ca_file.map(|file| format!("\n    ca_file: {file}")).unwrap_or_default();
        self.world.edit("outflow.yml", "base_url: sandbox", &format!("base_url: \"{base_url}\"{trust}"));
        self
    }

    fn sync(&self, variables: &[(&str, &str)]) -> Run {
        self.world.run_with(&["sync"], variables)
    }

    #[track_caller]
    fn is_refused(&self, run: Run, words: &[&str]) {
        let run = run.ends(1);
        for word in words {
            assert!(run.stderr.contains(word), "`{word}`: {run:#?}");
        }
        assert_eq!(self.served.requests(), [0, 0, 0], "nothing was sent");
    }
}

#[test]
fn a_proxy_and_a_private_authority() {
    let far = Far::new().at(&format!("https://{HOST}/hubspot"), Some("authority.pem"));
    let proxy = ConnectProxy::to(far.tls.address);
    far.sync(&[("HTTPS_PROXY", &proxy.url)]).ends(0);
    assert_eq!(far.served.writes(), 1);
    let asked = proxy.asked.lock().unwrap().clone();
    assert!(
        !asked.is_empty() && asked.iter().all(|line| *line == format!("CONNECT {HOST}:443 HTTP/1.1")),
        "{asked:?}"
    );
    // Past the proxy, there is no such host.
    far.world.sql("update people set name = 'Eva' where id = 1");
    let run = far.sync(&[("HTTPS_PROXY", &proxy.url), ("NO_PROXY", HOST)]).ends(1);
    assert!(run.stderr.contains(&format!("cannot reach `{HOST}:443`")), "{run:#?}");
    assert_eq!(*proxy.asked.lock().unwrap(), asked);
}

#[test]
fn an_authority_that_nobody_named_is_not_trusted() {
    let far = Far::new().at(&format!("https://{HOST}/hubspot"), None);
    let proxy = ConnectProxy::to(far.tls.address);
    far.is_refused(
        far.sync(&[("HTTPS_PROXY", &proxy.url)]),
        &["the certificate of `crm.example.test:443`", "`ca_file`"],
    );
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let far = Far::new();
    let url = format!("https://localhost:{}/hubspot", far.tls.address.port());
    let far = far.at(&url, Some("authority.pem"));
    far.is_refused(far.sync(&[]), &["the certificate of `localhost:", "`base_url`"]);
}

#[test]
fn a_file_without_authorities_is_said_before_anything_is_sent() {
    for (file, text, words) in [
        ("missing.pem", None, "cannot be read"),
        ("empty.pem", Some(""), "holds no certificate"),
        ("broken.pem", Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "certificate"),
    ] {
        let far = Far::new().at(&format!("https://{HOST}/hubspot"), Some(file));
        if let Some(text) = text {
            far.world.write(file, text);
        }
        far.is_refused(far.sync(&[]), &["`ca_file`", file, words, "PEM"]);
        let run = far.world.run(&["check"]).ends(1);
        assert!(run.stderr.contains(file) && run.stderr.contains("outflow.yml:"), "{run:#?}");
    }
}
