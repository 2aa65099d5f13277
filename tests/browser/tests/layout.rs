//! Small and large screens, dark and light, three to seven members, long names: nothing is clipped,
//! nothing overlaps, all can be read and reached.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

use browser_tests::{Browser, Look, Mock};
use serde_json::Value;

const WIDTHS: [u32; 4] = [390, 800, 1_400, 2_200];

/// Nodes of the ring that lie upon each other, and what sticks out of the page.
const MISPLACED: &str = "
    const faults = [];
    const room = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > room) faults.push('the page scrolls sideways');
    const parts = [...document.querySelectorAll('#ring .node')].flatMap((node) =>
        [...node.querySelectorAll('.node-disc, text')].map((part) => ({
            node, name: `${node.ariaLabel} (${part.textContent})`,
            box: part.getBoundingClientRect() })));
    parts.forEach((a, i) => parts.slice(i + 1).forEach((b) => {
        const apart = a.box.right <= b.box.left || b.box.right <= a.box.left
            || a.box.bottom <= b.box.top || b.box.bottom <= a.box.top;
        if (!apart && a.node !== b.node) faults.push(`${a.name} lies on ${b.name}`);
    }));
    const stage = document.querySelector('#ring').getBoundingClientRect();
    for (const { name, box } of parts) {
        if (box.left < stage.left - 1 || box.right > stage.right + 1
            || box.top < stage.top - 1 || box.bottom > stage.bottom + 1) {
            faults.push(`${name} sticks out`);
        }
    }
    for (const element of document.querySelectorAll('button, input, h2, .banner')) {
        const box = element.getBoundingClientRect();
        if (element.checkVisibility() && (box.left < -1 || box.right > room + 1)) {
            faults.push(`${element.outerHTML.slice(0, 80)} sticks out`);
        }
    }
    return faults;";

/// Text that is too pale on its ground: below 4.5 to 1 (WCAG AA).
const PALE: &str = "
    const numbers = (colour) => colour.match(/[\\d.]+/g)?.map(Number) ?? [0, 0, 0, 0];
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
        .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = numbers(getComputedStyle(at).backgroundColor);
            if (colour.length < 4 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const pale = [];
    const texts = 'h1, h2, h3, p, li, td, th, label, button, .quiet, .banner, output, dt, dd';
    for (const element of document.querySelectorAll(texts)) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3
            && node.textContent.trim());
        if (!own || !element.checkVisibility() || element.disabled) continue;
        const style = getComputedStyle(element);
        if (style.opacity !== '1') continue;
        const [a, b] = [light(numbers(style.color)), light(ground(element))].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) {
            const text = element.textContent.trim().slice(0, 40);
            pale.push(`${element.tagName}.${element.className} '${text}': ${ratio.toFixed(2)}`);
        }
    }
    return pale;";

fn faults(browser: &Browser, script: &str) -> Vec<String> {
    let found = browser.run(script);
    found.as_array().unwrap().iter().map(Value::to_string).collect()
}

fn drawn(browser: &Browser, mock: &Mock, members: usize) {
    browser.open(&mock.dashboard());
    let nodes = "return document.querySelectorAll('#ring .node').length";
    browser.until_with("all members are drawn", nodes, |count| (*count == members).then_some(()));
    browser.until("keys are drawn", "return document.querySelector('#keys-rows tr')");
}

#[test]
fn nothing_overlaps_or_sticks_out_with_three_five_and_seven_members_and_long_names() {
    let browser = Browser::start();
    for members in [3, 5, 7] {
        let mock = Mock::start(members, &["--long"]);
        for width in WIDTHS {
            browser.look(Look { width, ..Look::default() });
            drawn(&browser, &mock, usize::from(members));
            let found = faults(&browser, MISPLACED);
            assert_eq!(found, [""; 0], "{members} members at {width} px");
        }
    }
}

#[test]
fn all_that_can_be_used_has_a_name_and_all_text_can_be_read_in_dark_and_light() {
    let (browser, mock) = (Browser::start(), Mock::start(3, &[]));
    for dark in [false, true] {
        browser.look(Look { dark, ..Look::default() });
        drawn(&browser, &mock, 3);
        assert_eq!(browser.nameless(), [""; 0]);
        assert_eq!(faults(&browser, PALE), [""; 0], "dark: {dark}");
    }
}

#[test]
fn the_keyboard_reaches_members_keys_and_the_player() {
    let (browser, mock) = (Browser::start(), Mock::start(3, &[]));
    drawn(&browser, &mock, 3);
    let tab = "\u{e004}";
    let focused = "const at = document.activeElement;
        return [at.getAttribute('class') ?? '', at.id, at.closest('footer') ? 'player' : '']
            .join(' ')";
    let mut reached = String::new();
    browser.press("body", tab);
    for _ in 0..120 {
        reached += browser.run(focused).as_str().unwrap();
        reached += "\n";
        browser.press(":focus", tab);
        if ["node", "key-name", "player"].iter().all(|part| reached.contains(part)) {
            return;
        }
    }
    panic!("not all was reached: {reached}");
}

#[test]
fn who_wants_little_to_move_sees_nothing_fly() {
    let (browser, mock) = (Browser::start(), Mock::start(3, &["--rate", "50"]));
    browser.look(Look { still: true, ..Look::default() });
    drawn(&browser, &mock, 3);
    let applied = "return document.querySelector('#strips').innerText";
    let before = browser.run(applied);
    browser.until_with("the logs go on", applied, |now| (*now != before).then_some(()));
    // What is rare stands on its way for a moment.
    let flying =
        "return [...document.querySelectorAll('#ring :is(.beat, .append, .answer)')].filter(
        (mark) => mark.getAttribute('display') !== 'none').length";
    assert_eq!(browser.run(flying), 0);
}
