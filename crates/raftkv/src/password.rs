//! Whom a command speaks for, and passwords that are typed.

use std::io::{self, IsTerminal as _, Read};

use client::Credentials;

use crate::args::AsUser;
use crate::failure::Failure;

/// As much as the store takes.
const PASSWORD_BYTES_MAX: usize = 1_024;

/// What a newline at the end of standard input takes.
const NEWLINE_BYTES_MAX: usize = 2;

/// What is shown to the members; nothing if no user is named.
pub(crate) fn credentials(user: Option<&AsUser>) -> Result<Option<Credentials>, Failure> {
    let Some((name, password)) = name_and_password(user)? else { return Ok(None) };
    Ok(Some(Credentials::password(&name, &password)?))
}

/// Who is meant and their password, which is asked for if need be; nothing if no user is named.
pub(crate) fn name_and_password(
    user: Option<&AsUser>,
) -> Result<Option<(String, String)>, Failure> {
    let Some(AsUser { name, password }) = user else { return Ok(None) };
    // An empty variable of the environment counts as absent.
    if name.is_empty() && password.is_none() {
        return Ok(None);
    }
    let password = match password {
        Some(password) => password.clone(),
        None => ask(
            &format!("Password of {name}: "),
            &format!("write --user {name}:PASSWORD, or put that into RAFTKV_USER"),
        )?,
    };
    Ok(Some((name.clone(), password)))
}

/// The password that a user is to have: typed twice, or from standard input.
pub(crate) fn new_password(user: &str, from_stdin: bool) -> Result<String, Failure> {
    if from_stdin {
        return read(io::stdin().lock());
    }
    let otherwise = "give it on standard input, with --password-stdin";
    let password = ask(&format!("New password of {user}: "), otherwise)?;
    check(&password)?;
    if ask("The same again: ", otherwise)? != password {
        let message = "the two passwords differ; nothing was changed";
        return Err(Failure::Usage(message.to_owned()));
    }
    Ok(password)
}

/// Asks whoever sits at the terminal; what they type does not show.
fn ask(prompt: &str, otherwise: &str) -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        let message = format!(
            "nobody can be asked for the password, for standard input is no \
                               terminal: {otherwise}"
        );
        return Err(Failure::Usage(message));
    }
    rpassword::prompt_password(prompt)
        .map_err(|error| Failure::Usage(format!("no password was read: {error}; {otherwise}")))
}

fn read(from: impl Read) -> Result<String, Failure> {
    // What is longer than any password is not read on.
    let bytes_max = (PASSWORD_BYTES_MAX + NEWLINE_BYTES_MAX + 1) as u64;
    let mut text = String::new();
    let failed = |error| Failure::Usage(format!("the password on standard input: {error}"));
    from.take(bytes_max).read_to_string(&mut text).map_err(failed)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let password = line.strip_suffix('\r').unwrap_or(line);
    check(password)?;
    Ok(password.to_owned())
}

fn check(password: &str) -> Result<(), Failure> {
    match password.len() {
        0 => Err(Failure::Usage("the password is empty; nothing was changed".to_owned())),
        1..=PASSWORD_BYTES_MAX => Ok(()),
        _ => {
            let message = format!("a password has {PASSWORD_BYTES_MAX} bytes at most");
            Err(Failure::Usage(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newline_is_no_part_of_a_password() {
        for text in ["secret", "secret\n", "secret\r\n"] {
            assert_eq!(read(text.as_bytes()).unwrap(), "secret", "{text:?}");
        }
        assert_eq!(read(" a\n\n".as_bytes()).unwrap(), " a\n");
        let longest = "x".repeat(PASSWORD_BYTES_MAX);
        assert_eq!(read(format!("{longest}\r\n").as_bytes()).unwrap(), longest);
    }

    #[test]
    fn what_can_be_no_password_is_refused() {
        let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
        for bytes in [&b""[..], b"\n", b"\xff", long.as_bytes()] {
            assert!(matches!(read(bytes), Err(Failure::Usage(_))), "{bytes:?}");
        }
    }

    #[test]
    fn an_empty_variable_names_nobody() {
        let user = |text: &str| credentials(Some(&text.parse().unwrap()));
        assert!(matches!(user(""), Ok(None)));
        assert!(matches!(user("root:secret"), Ok(Some(_))));
        assert!(matches!(user(":secret"), Err(Failure::Usage(_))));
    }
}
