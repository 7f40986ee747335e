//! Showing the server who the user is: once by each way that it takes.

use russh::MethodKind;
use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Asked};
use russh::keys::{HashAlg, PrivateKeyWithHashAlg};
use secrecy::ExposeSecret;

use super::config::{Login, Target};
use super::errors::{Failure, Refusal, clean};
use super::session::Check;
use crate::contract::Kind;
use crate::files::errors;

/// How often a server may ask for more.
const QUESTIONS: usize = 4;

/// What a server said to one way of logging in.
enum Step {
    In,
    /// It takes these ways now; `true` where it wants one of them in addition to what it has accepted.
    Out(Vec<MethodKind>, bool),
}

impl Step {
    /// # Errors
    /// [`Failure::Broken`] where the connection ended before the server said anything.
    fn of(result: AuthResult, server: &Handle<Check>) -> Result<Self, Failure> {
        match result {
            AuthResult::Success => Ok(Step::In),
            AuthResult::Failure { remaining_methods, partial_success } => {
                Step::out(&remaining_methods, partial_success, server)
            }
        }
    }

    /// russh tells the end of a connection as a refusal that leaves no way.
    fn out(ways: &[MethodKind], is_partial: bool, server: &Handle<Check>) -> Result<Self, Failure> {
        match ways.is_empty() && server.is_closed() {
            true => Err(Failure::Broken("it closed the connection while the user logged in".to_owned())),
            false => Ok(Step::Out(ways.to_vec(), is_partial)),
        }
    }
}

impl Login {
    /// Logs in: with the key where there is one, and then with the password where the server wants it too.
    pub(super) async fn enter(&self, server: &mut Handle<Check>, target: &Target) -> Result<(), Failure> {
        // Shows nothing, and is how a server is asked which ways it takes: <https://www.rfc-editor.org/rfc/rfc4252#section-5.2>.
        let asked = server.authenticate_none(&target.user).await?;
        let Step::Out(mut ways, _) = Step::of(asked, server)? else { return Ok(()) };
        let mut tried = Vec::new();
        if let Some(key) = self.key.as_ref().filter(|_| ways.contains(&MethodKind::PublicKey)) {
            let hash = match key.algorithm().is_rsa() {
                true => server.best_supported_rsa_hash().await?.flatten().or(Some(HashAlg::Sha256)),
                false => None,
            };
            let print = key.fingerprint(HashAlg::Sha256);
            let key = PrivateKeyWithHashAlg::new(key.clone(), hash);
            tried.push(format!("the key `{print}`"));
            let shown = server.authenticate_publickey(&target.user, key).await?;
            match Step::of(shown, server)? {
                Step::In => return Ok(()),
                Step::Out(rest, true) => {
                    tried.clear();
                    ways = rest;
                }
                // A password is another right; it is not given away because a key was refused.
                Step::Out(rest, false) => return Err(refused(target, &tried, &rest)),
            }
        }
        let Some(password) = &self.password else { return Err(refused(target, &tried, &ways)) };
        let step = if ways.contains(&MethodKind::Password) {
            let given = server.authenticate_password(&target.user, password.expose_secret()).await?;
            Step::of(given, server)?
        } else if ways.contains(&MethodKind::KeyboardInteractive) {
            reply(server, target, password.expose_secret()).await?
        } else {
            return Err(refused(target, &tried, &ways));
        };
        tried.push("the password".to_owned());
        match step {
            Step::In => Ok(()),
            Step::Out(ways, _) => Err(refused(target, &tried, &ways)),
        }
    }
}

/// Gives the password to a server that asks for it in words of its own.
async fn reply(server: &mut Handle<Check>, target: &Target, password: &str) -> Result<Step, Failure> {
    let mut asked = server.authenticate_keyboard_interactive_start(&target.user, None::<String>).await?;
    for _ in 0..QUESTIONS {
        let prompts = match asked {
            Asked::Success => return Ok(Step::In),
            Asked::Failure { remaining_methods, partial_success } => {
                return Step::out(&remaining_methods, partial_success, server);
            }
            Asked::InfoRequest { prompts, .. } => prompts,
        };
        // What is shown while it is typed is no password: a code, or an answer to a question.
        if let Some(other) = prompts.iter().find(|prompt| prompt.echo).or(prompts.get(1)) {
            return Err(refusal(
                target,
                format!("it asks for more than a password: `{}`", clean(&other.prompt)),
            ));
        }
        let replies = prompts.iter().map(|_| password.to_owned()).collect();
        asked = server.authenticate_keyboard_interactive_respond(replies).await?;
    }
    Err(refusal(target, "it does not stop asking for the password".to_owned()))
}

/// In the server's words, by what was shown to it.
fn refused(target: &Target, tried: &[String], ways: &[MethodKind]) -> Failure {
    let takes: Vec<&str> = ways.iter().map(<&str>::from).collect();
    let takes =
        if takes.is_empty() { "nothing more".to_owned() } else { format!("`{}`", takes.join("`, `")) };
    match tried {
        [] => refusal(target, format!("it asks for {takes}, and the connection has nothing to show for it")),
        tried => refusal(target, format!("it does not accept {}; it takes {takes}", tried.join(" and "))),
    }
}

pub(super) fn refusal(target: &Target, why: String) -> Failure {
    Failure::Refused(Refusal {
        kind: Kind::Auth,
        code: errors::STORE_LOGIN,
        message: format!("the server of `{}` does not let `{}` in: {why}", target.account(), target.user),
        hint: "check the user in `url`, and `private_key_file` or `password`; the server's log says why"
            .to_owned(),
    })
}
