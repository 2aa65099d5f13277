//! Changes of who is in the cluster, and how each one that can not be made is refused.

use serde_json::{Value, json};

use super::world::{Answer, World};

async fn send(world: &World, method: &str, target: &str, body: &str) -> Answer {
    world.request(method, target, &[], body.as_bytes()).await
}

async fn add(world: &World, body: Value) -> Value {
    let answer = send(world, "POST", "/cluster/members", &body.to_string()).await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.text());
    answer.json()
}

/// The standings by name.
async fn standings(world: &World) -> Vec<(String, String)> {
    let page = world.get("/cluster/members").await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let members = page["members"].as_array().unwrap().iter();
    let mut members: Vec<_> =
        members.map(|member| (text(&member["name"]), text(&member["standing"]))).collect();
    members.sort();
    members
}

fn named(members: &[(&str, &str)]) -> Vec<(String, String)> {
    members.iter().map(|&(name, standing)| (name.to_owned(), standing.to_owned())).collect()
}

#[tokio::test]
async fn a_member_is_added_promoted_moved_replaced_and_removed() {
    let world = World::new().await;
    let two = json!({"address": "127.0.0.1:8002", "name": "node-2", "id": "2", "incarnation": "a"});
    let answer = add(&world, two.clone()).await;
    assert_eq!((&answer["status"], &answer["member"]), (&json!("changed"), &json!("2")));
    assert_eq!(standings(&world).await, named(&[("node-1", "voter"), ("node-2", "learner")]));
    assert_eq!(add(&world, two).await["members"], answer["members"], "once more is no harm");

    let answer = send(&world, "POST", "/cluster/members/node-2/promote", "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = r#"{"address":"localhost:9002"}"#;
    let answer = send(&world, "PATCH", "/cluster/members/2", body).await;
    assert_eq!(answer.json()["members"][0]["address"], "localhost:9002");

    let three = json!({
        "address": "localhost:9002", "name": "node-2", "id": "3", "incarnation": "b",
        "replaces": "node-2",
    });
    add(&world, three).await;
    let answer = send(&world, "POST", "/cluster/members/2/replace", r#"{"with":"3"}"#).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(standings(&world).await, named(&[("node-1", "voter"), ("node-2", "voter")]));

    let answer = send(&world, "DELETE", "/cluster/members/3", "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(standings(&world).await, named(&[("node-1", "voter")]));
    send(&world, "DELETE", "/cluster/members/3", "").await.assert_refused(409, "member_removed");
}

#[tokio::test]
async fn who_asks_once_more_may_name_a_member_that_is_gone() {
    let world = World::new().await;
    let old = json!({"address": "localhost:8002", "name": "old", "id": "2", "incarnation": "a"});
    add(&world, old).await;
    let answer = send(&world, "POST", "/cluster/members/old/promote", "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let new = json!({
        "address": "localhost:8003", "name": "new", "id": "3", "incarnation": "b",
        "replaces": "old",
    });
    add(&world, new.clone()).await;
    let answer = send(&world, "DELETE", "/cluster/members/old", "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = add(&world, new.clone()).await;
    assert_eq!(answer["members"].as_array().unwrap().len(), 2, "it is there, as it was");
    let answer = send(&world, "DELETE", "/cluster/members/new", "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let again = send(&world, "POST", "/cluster/members", &new.to_string()).await;
    again.assert_refused(409, "member_removed");
}

#[tokio::test]
async fn a_place_is_reserved_with_an_address_alone() {
    let world = World::new().await;
    let answer = add(&world, json!({"address": "localhost:8002"})).await;
    let place = answer["members"].as_array().unwrap().iter().find(|m| m["name"] != "node-1");
    let place = place.unwrap();
    assert_eq!((&place["name"], &place["incarnation"]), (&json!("localhost:8002"), &json!(null)));
    let target = format!("/cluster/members/{}/promote", place["id"].as_str().unwrap());
    send(&world, "POST", &target, "").await.assert_refused(409, "not_joined");
    let claim = json!({"address": "localhost:8002", "id": "2", "incarnation": "a"});
    let answer = add(&world, claim).await;
    assert_eq!(answer["members"].as_array().unwrap().len(), 2, "the claim took the place");
}

#[tokio::test]
async fn a_place_may_be_for_one_that_stays_a_learner() {
    let world = World::new().await;
    let place = json!({"address": "localhost:8002", "standing": "learner"});
    add(&world, place).await;
    let claim = json!({"address": "localhost:8002", "id": "2", "incarnation": "a"});
    let answer = add(&world, claim).await;
    let members = answer["members"].as_array().unwrap();
    let stays = |member: &serde_json::Value| member["stays_learner"] == true;
    assert_eq!(members.iter().filter(|member| stays(member)).count(), 1, "{answer}");
    let answer = send(&world, "POST", "/cluster/members/2/promote", "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.text().contains("\"stays_learner\":true"));
}

#[tokio::test]
async fn clients_are_told_of_other_urls_until_they_are_told_of_none() {
    let world = World::new().await;
    for (written, shown) in
        [("http://a:1, http://b:2", json!(["http://a:1", "http://b:2"])), ("", json!([]))]
    {
        let body = json!({ "client_urls": written }).to_string();
        let answer = send(&world, "PATCH", "/cluster/members/node-1", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let members = world.get("/cluster/members").await;
        assert_eq!(members["members"][0]["client_urls"], shown);
    }
}

#[tokio::test]
async fn what_can_not_be_done_is_refused_by_name_and_changes_nothing() {
    let world = World::new().await;
    let before = world.get("/cluster/members").await;
    for (method, target, body, status, code) in [
        ("POST", "", r#"{"address":"localhost:8001"}"#, 409, "address_taken"),
        ("POST", "", r#"{"address":"localhost:2","name":"node-1"}"#, 409, "name_taken"),
        ("POST", "", r#"{"address":"localhost"}"#, 400, "bad_address"),
        ("POST", "", r#"{"address":"http://localhost:2"}"#, 400, "bad_address"),
        ("POST", "", r#"{"address":"localhost:2","name":"-x"}"#, 400, "bad_member"),
        ("POST", "", r#"{"address":"localhost:2","id":"x"}"#, 400, "bad_member"),
        ("POST", "", r#"{"address":"localhost:2","incarnation":"1"}"#, 400, "bad_member"),
        ("POST", "", r#"{"address":"localhost:2","role":"voter"}"#, 400, "unknown_field"),
        ("POST", "", r#"{"address":"localhost:2","standing":"voter"}"#, 400, "bad_member"),
        ("POST", "", r#"{"address":2}"#, 400, "bad_member"),
        ("POST", "", "{}", 400, "missing_field"),
        ("POST", "", "", 400, "malformed_json"),
        ("POST", "", r#"{"address":"localhost:2","id":"5157","incarnation":"9"}"#, 409, "id_taken"),
        ("DELETE", "/node-9", "", 404, "unknown_member"),
        ("DELETE", "/99", "", 404, "unknown_member"),
        ("DELETE", "/node-1", "", 409, "last_voter"),
        ("POST", "/node-1/promote", "", 409, "not_a_learner"),
        ("POST", "/node-1/replace", r#"{"with":"9"}"#, 404, "unknown_member"),
        ("POST", "/node-1/replace", "{}", 400, "missing_field"),
        ("PATCH", "/node-1", r#"{"name":"x"}"#, 400, "unknown_field"),
        ("PATCH", "/node-1", "{}", 400, "missing_field"),
        ("PATCH", "/node-1", r#"{"address":"a:1","client_urls":"http://a:1"}"#, 400, "bad_member"),
        ("PATCH", "/node-9", r#"{"client_urls":"http://a:1"}"#, 404, "unknown_member"),
        ("PATCH", "/node-1", r#"{"client_urls":"http://a:1,b:2"}"#, 400, "bad_address"),
        ("PUT", "/node-1", "{}", 405, "method_not_allowed"),
    ] {
        let answer = send(&world, method, &format!("/cluster/members{target}"), body).await;
        answer.assert_refused(status, code);
    }
    assert_eq!(world.get("/cluster/members").await, before);
}

#[tokio::test]
async fn a_member_is_drained_from_the_level_on_that_has_it() {
    let world = World::new().await;
    let drain = "/cluster/members/node-1/drain";
    let refused = send(&world, "POST", drain, "").await;
    refused.assert_refused(409, "feature_level");
    assert_eq!(
        (&refused.json()["needed"], &refused.json()["feature_level"]),
        (&json!(2), &json!(1))
    );
    let raised = send(&world, "POST", "/cluster/level", "").await.json();
    assert_eq!((&raised["status"], &raised["feature_level"]), (&json!("changed"), &json!(3)));

    let drained = send(&world, "POST", drain, "").await.json();
    assert_eq!((&drained["status"], &drained["member"]), (&json!("drained"), &json!("5157")));
    assert_eq!(drained["members"][0]["draining"], true);
    assert_eq!(drained["safe_to_stop"], true, "there is nobody to hand over to");
    assert_eq!(drained["writes_go_on"], false);
    assert_eq!(world.get("/cluster/status").await["members"][0]["draining"], true);
    let ended = send(&world, "DELETE", drain, "").await.json();
    assert_eq!(ended["members"][0]["draining"], false);
    for (method, target, body, status, code) in [
        ("POST", "/cluster/members/node-9/drain", "", 404, "unknown_member"),
        ("DELETE", "/cluster/members/node-9/drain", "", 404, "unknown_member"),
        ("POST", drain, r#"{"wait":"1"}"#, 400, "unknown_field"),
        ("POST", "/cluster/level", r#"{"to":"9"}"#, 400, "unknown_field"),
        ("GET", drain, "", 405, "method_not_allowed"),
    ] {
        send(&world, method, target, body).await.assert_refused(status, code);
    }
}
