//! Listing keys, a page at a time.

use serde_json::Value;

use super::world::World;

async fn filled(keys: &[&str]) -> World {
    let world = World::new().await;
    for key in keys {
        world.put(key, &format!("value of {key}")).await;
    }
    world
}

fn keys(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn all_keys_or_those_with_a_prefix_in_order() {
    let world = filled(&["b/2", "a", "b/1", "c"]).await;
    assert_eq!(keys(&world.get("/kv").await), ["a", "b/1", "b/2", "c"]);
    let page = world.get("/kv?prefix=b/").await;
    assert_eq!(keys(&page), ["b/1", "b/2"]);
    assert_eq!((page["revision"].as_u64(), page.get("next")), (Some(5), None));
    assert_eq!(page["items"][0]["value"], "value of b/1");
    assert_eq!(keys(&world.get("/kv?prefix=b%2F1").await), ["b/1"]);
    assert!(keys(&world.get("/kv?prefix=d").await).is_empty());
}

#[tokio::test]
async fn keys_alone_and_counts_alone() {
    let world = filled(&["a", "b"]).await;
    let page = world.get("/kv?keys_only=true").await;
    assert_eq!(keys(&page), ["a", "b"]);
    assert!(page["items"][0].get("value").is_none() && page["items"][0]["version"] == 1);
    let count = world.get("/kv?count_only&prefix=a").await;
    assert_eq!(count, serde_json::json!({ "count": 1, "revision": 3 }));
}

#[tokio::test]
async fn pages_meet_without_a_gap_and_show_one_revision() {
    let world = filled(&["a", "b", "c", "d", "e"]).await;
    let mut page = world.get("/kv?limit=2").await;
    let mut seen: Vec<String> = keys(&page).into_iter().map(str::to_owned).collect();
    // What changes between two pages is not seen by the second.
    world.put("c0", "new").await;
    world.ask("DELETE", "/kv/d").await;
    while let Some(next) = page["next"].as_str() {
        page = world.get(&format!("/kv?limit=2&after={next}")).await;
        assert_eq!(page["revision"], 6);
        seen.extend(keys(&page).into_iter().map(str::to_owned));
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_listing_only() {
    let world = filled(&["a/1", "a/2", "b/1"]).await;
    let page = world.get("/kv?prefix=a/&limit=1").await;
    let next = page["next"].as_str().unwrap();
    assert_eq!(keys(&world.get(&format!("/kv?prefix=a/&after={next}")).await), ["a/2"]);
    for target in [
        format!("/kv?after={next}"),
        format!("/kv?prefix=b/&after={next}"),
        format!("/kv?prefix=a/&after={}", &next[1..]),
        format!("/kv?prefix=a/&after={next}A"),
        "/kv?after=".to_owned(),
        "/kv?after=AAAA".to_owned(),
    ] {
        world.ask("GET", &target).await.assert_refused(400, "bad_cursor");
    }
    for contradiction in ["count_only", "revision=2", "sort=value", "order=desc"] {
        let target = format!("/kv?prefix=a/&after={next}&{contradiction}");
        world.ask("GET", &target).await.assert_refused(400, "bad_parameter");
    }
}

async fn all_pages(world: &World, first: &str, seen: &mut Vec<String>) {
    let mut target = first.to_owned();
    loop {
        let page = world.get(&target).await;
        seen.extend(keys(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else { break };
        target = format!("{first}&after={next}");
    }
}

#[tokio::test]
async fn keys_too_long_for_a_cursor_are_paged_too() {
    let world = World::new().await;
    let long = "k".repeat(40 << 10);
    let names: Vec<String> = (0..5).map(|number| format!("{long}{number}")).collect();
    for name in &names {
        world.put(name, "v").await;
    }
    let mut seen = Vec::new();
    all_pages(&world, "/kv?keys_only&limit=2", &mut seen).await;
    assert_eq!(seen, names);
    // With a filter in between, only what it admits is passed over.
    world.put(&names[1], "again").await;
    seen.clear();
    all_pages(&world, "/kv?keys_only&limit=1&max_mod_revision=6", &mut seen).await;
    assert_eq!(seen, [&names[..1], &names[2..]].concat());
}

#[tokio::test]
async fn a_page_ends_early_when_its_values_are_large() {
    let world = World::new().await;
    for key in ["a", "b", "c", "d"] {
        world.put(key, &"v".repeat(1_500_000)).await;
    }
    let page = world.get("/kv").await;
    assert_eq!(keys(&page), ["a", "b"], "4 MiB are enough for a page");
    let next = page["next"].as_str().unwrap();
    assert_eq!(keys(&world.get(&format!("/kv?after={next}")).await), ["c", "d"]);
    assert_eq!(keys(&world.get("/kv?keys_only").await).len(), 4);
}

#[tokio::test]
async fn bounds_of_a_page() {
    let world = filled(&["a"]).await;
    assert_eq!(keys(&world.get("/kv?limit=1000").await), ["a"]);
    for limit in ["0", "1001", "-1", "x", "", "%2B5", "99999999999999999999"] {
        let answer = world.ask("GET", &format!("/kv?limit={limit}")).await;
        assert_eq!(answer.assert_refused(400, "bad_parameter")["parameter"], "limit");
    }
}

#[tokio::test]
async fn a_range_from_one_key_to_another() {
    let world = filled(&["a", "b", "c", "d"]).await;
    assert_eq!(keys(&world.get("/kv?from=b").await), ["b", "c", "d"]);
    assert_eq!(keys(&world.get("/kv?from=b&to=d").await), ["b", "c"]);
    assert_eq!(keys(&world.get("/kv?to=b").await), ["a"]);
    let page = world.get("/kv?from=b&to=d&limit=1").await;
    let next = page["next"].as_str().unwrap();
    let rest = world.get(&format!("/kv?from=b&to=d&after={next}")).await;
    assert_eq!((keys(&rest), rest.get("next")), (vec!["c"], None));
    let elsewhere = world.ask("GET", &format!("/kv?from=b&after={next}")).await;
    elsewhere.assert_refused(400, "bad_cursor");
    for (target, parameter) in [
        ("/kv?prefix=a&from=a", "from"),
        ("/kv?prefix=a&to=b", "to"),
        ("/kv?from=b&to=b", "to"),
        ("/kv?from=c&to=b", "to"),
    ] {
        let answer = world.ask("GET", target).await;
        assert_eq!(answer.assert_refused(400, "bad_parameter")["parameter"], parameter);
    }
}

#[tokio::test]
async fn sorted_listings_say_that_there_is_more_and_have_no_next_page() {
    let world = filled(&["a", "b", "c"]).await;
    world.put("a", "newest").await;
    assert_eq!(keys(&world.get("/kv?order=desc").await), ["c", "b", "a"]);
    assert_eq!(keys(&world.get("/kv?sort=mod_revision").await), ["b", "c", "a"]);
    assert_eq!(keys(&world.get("/kv?sort=version&order=desc&limit=3").await), ["a", "b", "c"]);
    assert_eq!(keys(&world.get("/kv?sort=value").await), ["a", "b", "c"], "newest < value of");
    let first = world.get("/kv?sort=create_revision&order=desc&limit=1").await;
    assert_eq!((keys(&first), &first["more"], first.get("next")), (vec!["c"], &true.into(), None));
    for (target, parameter) in [("/kv?sort=age", "sort"), ("/kv?order=up", "order")] {
        let answer = world.ask("GET", target).await;
        assert_eq!(answer.assert_refused(400, "bad_parameter")["parameter"], parameter);
    }
}

#[tokio::test]
async fn listings_by_revision_are_paged_too() {
    let world = filled(&["a", "b", "c", "d"]).await;
    world.put("b", "again").await;
    assert_eq!(keys(&world.get("/kv?min_mod_revision=4").await), ["b", "c", "d"]);
    assert_eq!(keys(&world.get("/kv?max_mod_revision=4").await), ["a", "c"]);
    assert_eq!(
        keys(&world.get("/kv?min_create_revision=3&max_create_revision=4").await),
        ["b", "c"]
    );
    let page = world.get("/kv?min_mod_revision=4&limit=2").await;
    let next = page["next"].as_str().unwrap();
    let rest = world.get(&format!("/kv?min_mod_revision=4&after={next}")).await;
    assert_eq!(keys(&rest), ["d"]);
    let answer = world.ask("GET", "/kv?min_mod_revision=0").await;
    assert_eq!(answer.assert_refused(400, "bad_parameter")["parameter"], "min_mod_revision");
}
