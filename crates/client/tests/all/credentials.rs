//! A client that speaks for somebody: every request says so, whatever it is and whoever it goes to;
//! what is refused for that is not sent again.

use client::{
    Access, AuthChanged, Client, Credentials, Error, Keys, LockOptions, Options, Permission,
    WatchOptions,
};

use crate::fake::{Act, Member, client, not_leader, ok, refuse};

const COMMITTED: &str = r#"{"status":"committed","revision":7,"log_index":9,"term":2}"#;
const CHANGED: &str = r#"{"status":"changed","log_index":9,"term":2}"#;

/// As the fake member keeps it: in lower case.
const ROOT: &str = "authorization: basic cm9vddpzzwnyzxq=\r\n";

fn of_root(members: &[&Member]) -> Client {
    let credentials = Credentials::password("root", "secret").expect("it has no colon");
    client(members, Options::default()).with_credentials(credentials)
}

/// Checks that all of so many requests show the user.
fn check_shown(member: &Member, count: usize) {
    let requests = member.requests();
    assert_eq!(requests.len(), count, "{:?}", member.asked());
    for request in requests {
        assert!(request.headers.contains(ROOT), "{}\n{}", request.line, request.headers);
    }
}

#[tokio::test]
async fn the_member_that_a_write_is_sent_on_to_is_shown_the_user_too() {
    let leader = Member::start([ok(COMMITTED)]).await;
    let session = ok(r#"{"session":"1-a","life_ms":600000}"#);
    let follower = Member::start([session, not_leader(&leader)]).await;
    of_root(&[&follower]).put("k", "v").await.unwrap();
    check_shown(&follower, 2);
    check_shown(&leader, 1);
}

#[tokio::test]
async fn watches_and_backups_show_the_user() {
    let open = "id: 6\nevent: open\ndata: {\"revision\":6,\"from_revision\":7}\n\n";
    let stream = Act::Stream { text: open.to_owned(), goes_on: true };
    let member = Member::start([stream, ok("snapshot")]).await;
    let client = of_root(&[&member]);
    client.watch(WatchOptions::default()).await.unwrap();
    let mut backup = client.backup().await.unwrap();
    assert_eq!(backup.next().await.unwrap().unwrap(), "snapshot");
    check_shown(&member, 2);
}

#[tokio::test]
async fn locks_and_elections_show_the_user() {
    let (lock, election) = (refuse(403, "permission_denied"), refuse(403, "permission_denied"));
    let member = Member::start([lock, election]).await;
    let client = of_root(&[&member]);
    client.lock("l", LockOptions::default()).await.unwrap_err();
    client.election("e").campaign(LockOptions::default()).await.unwrap_err();
    check_shown(&member, 2);
}

#[tokio::test]
async fn nobody_is_shown_unless_somebody_was_given() {
    let member = Member::start([refuse(401, "unauthenticated")]).await;
    let error = client(&[&member], Options::default()).get("k").await.unwrap_err();
    assert!(matches!(error, Error::Unauthenticated { .. }), "{error:?}");
    assert!(!member.requests()[0].headers.contains("authorization"));
}

#[tokio::test]
async fn what_is_refused_for_the_user_is_not_sent_again() {
    for (status, code) in [(401, "unauthenticated"), (403, "permission_denied")] {
        let (one, two) = (Member::start([refuse(status, code)]).await, Member::start([]).await);
        let error = of_root(&[&one, &two]).get("k").await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), (Some(code), false));
        assert!(error.to_string().contains("said the script"), "{error}");
        assert_eq!((one.asked().len(), two.asked().len()), (1, 0));
    }
}

#[tokio::test]
async fn a_watch_ends_with_the_permission() {
    let denied =
        "event: error\ndata: {\"error\":\"permission_denied\",\"message\":\"no more\"}\n\n";
    let open = "id: 6\nevent: open\ndata: {\"revision\":6,\"from_revision\":7}\n\n";
    let stream = Act::Stream { text: format!("{open}{denied}"), goes_on: true };
    let member = Member::start([stream]).await;
    let mut watch = of_root(&[&member]).watch(WatchOptions::default()).await.unwrap();
    let error = watch.next().await.unwrap_err();
    assert_eq!(error, Error::PermissionDenied { message: "no more".to_owned() });
    assert_eq!(member.asked().len(), 1);
}

#[tokio::test]
async fn a_token_takes_the_place_of_a_password() {
    let member = Member::start([ok(r#"{"token":"abc.7"}"#), refuse(404, "not_found")]).await;
    let nobody = client(&[&member], Options::default());
    let token = nobody.log_in("u", "p").await.unwrap();
    assert_eq!(nobody.with_credentials(token).get("k").await, Ok(None));
    let [login, read] = &member.requests()[..] else { panic!("{:?}", member.asked()) };
    assert_eq!(login.body, br#"{"password":"p","user":"u"}"#);
    assert!(!login.headers.contains("authorization"));
    assert!(read.headers.contains("authorization: bearer abc.7\r\n"), "{}", read.headers);
}

#[tokio::test]
async fn a_logout_shows_the_token_that_it_ends() {
    let member = Member::start([ok(CHANGED), refuse(401, "unauthenticated")]).await;
    let (root, token) = (of_root(&[&member]), Credentials::token("abc.7").unwrap());
    assert_eq!(root.log_out(&token).await, Ok(AuthChanged { log_index: 9, term: 2 }));
    let again = root.log_out(&token).await;
    assert!(matches!(again, Err(Error::Unauthenticated { .. })), "{again:?}");
    for request in member.requests() {
        assert!(request.line.starts_with("POST /auth/logout"), "{}", request.line);
        assert!(request.headers.contains("authorization: bearer abc.7\r\n"), "{}", request.headers);
        assert!(!request.headers.contains(ROOT), "{}", request.headers);
    }
}

#[tokio::test]
async fn what_is_asked_of_users_and_roles() {
    let member = Member::start(vec![ok(CHANGED); 6]).await;
    let client = of_root(&[&member]);
    let changed = AuthChanged { log_index: 9, term: 2 };
    assert_eq!(client.add_user("a/b", Some("p")).await, Ok(changed));
    client.add_user("c", None).await.unwrap();
    client.set_password("a/b", "q").await.unwrap();
    client.grant_role("a/b", "r").await.unwrap();
    let permission = Permission { access: Access::ReadWrite, keys: Keys::Prefix("p/".into()) };
    client.grant_permission("r", &permission).await.unwrap();
    client.revoke_permission("r", &Keys::All).await.unwrap();
    let requests = member.requests();
    let asked: Vec<_> = requests
        .iter()
        .map(|request| {
            request.line.split("timeout_ms").next().unwrap().trim_end_matches(['?', '&'])
        })
        .collect();
    assert_eq!(
        asked,
        [
            "POST /users",
            "POST /users",
            "PUT /users/a%2Fb/password",
            "PUT /users/a%2Fb/roles/r",
            "PUT /roles/r/permissions?access=readwrite&prefix=p%2F",
            "DELETE /roles/r/permissions?prefix=",
        ]
    );
    assert_eq!(requests[0].body, br#"{"name":"a/b","password":"p"}"#);
    assert_eq!(requests[1].body, br#"{"name":"c"}"#);
}

#[test]
fn a_client_does_not_print_what_it_shows() {
    let endpoint = "localhost:1".parse().unwrap();
    let client = Client::new(vec![endpoint], Options::default());
    let credentials = Credentials::password("root", "secret").unwrap();
    let printed = format!("{:?}", client.with_credentials(credentials));
    assert!(printed.contains("Credentials(..)"), "{printed}");
    assert!(!printed.contains("secret") && !printed.contains("cm9vd"), "{printed}");
}
