//! The dashboard as those see it who use it: what is asked of it is found by role and label.

use serde_json::Value;

use crate::browser::Browser;

/// Whoever leads, by the page: the name on the node that wears the crown.
const CROWNED: &str = "
    const node = [...document.querySelectorAll('#ring .node')].find(
        (node) => node.querySelector('.node-crown').getAttribute('display') === 'inline');
    return node ? node.getAttribute('aria-label').split(',')[0] : null;";

/// What is there to be used, and has no name for those who do not see it.
const NAMELESS: &str = "
    const used = 'button, input, select, textarea, a[href], [role=button], [tabindex=\"0\"]';
    const named = (element) => element.ariaLabel
        || element.getAttribute('aria-labelledby') || element.innerText?.trim()
        || element.labels?.[0]?.innerText.trim() || element.title;
    return [...document.querySelectorAll(used)].filter((element) => element.checkVisibility())
        .filter((element) => !named(element)).map((element) => element.outerHTML.slice(0, 120));";

impl Browser {
    /// Opens a page of the dashboard, and waits until it shows a cluster in which all is well.
    pub fn open_dashboard(&self, url: &str, members: usize) {
        self.open(url);
        self.wait_banner(&match members {
            1 => "The only member works".to_owned(),
            _ => format!("{members} of {members} members work"),
        });
        self.wait_leader();
    }

    /// What the banner says.
    pub fn banner(&self) -> String {
        let text = self.run("return document.querySelector('[role=status]').innerText");
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the banner says this, among other things.
    pub fn wait_banner(&self, part: &str) {
        let script = "return document.querySelector('[role=status]').innerText";
        self.until_with(&format!("the banner says {part:?}"), script, |text| {
            text.as_str().is_some_and(|text| text.contains(part)).then_some(())
        });
    }

    /// The name of the member that wears the crown, if one does.
    pub fn crowned(&self) -> Option<String> {
        self.run(CROWNED).as_str().map(str::to_owned)
    }

    /// Waits for a crown.
    pub fn wait_leader(&self) -> String {
        self.until_with("somebody is crowned", CROWNED, |name| name.as_str().map(str::to_owned))
    }

    /// Waits until another member than this one wears the crown.
    pub fn wait_other_leader(&self, than: &str) -> String {
        self.until_with(&format!("another than {than} is crowned"), CROWNED, |name| {
            name.as_str().filter(|name| *name != than).map(str::to_owned)
        })
    }

    /// What the node of a member says to those who do not see it.
    pub fn node(&self, name: &str) -> String {
        let labels = self.run(
            "return [...document.querySelectorAll('#ring .node')].map((node) => node.ariaLabel)",
        );
        let labels = labels.as_array().cloned().unwrap_or_default();
        let label = labels
            .iter()
            .filter_map(Value::as_str)
            .find(|label| label.strip_prefix(name).is_some_and(|rest| rest.starts_with(',')));
        label.unwrap_or_default().to_owned()
    }

    /// Opens the card of a member and does what a button of it says.
    pub fn act(&self, name: &str, deed: &str) {
        self.click(&format!("#ring .node[aria-label^='{name},']"));
        self.click_named("#member-card button", deed);
    }

    /// Clicks the one of these elements that says just this, once it is there.
    pub fn click_named(&self, selector: &str, name: &str) {
        let script = "
            const found = [...document.querySelectorAll(arguments[0])].find((element) =>
                element.innerText.trim() === arguments[1] && element.checkVisibility()
                && !element.disabled);
            found?.click();
            return Boolean(found);";
        let arguments = [Value::from(selector), Value::from(name)];
        system_tests::wait::until_true(&format!("{name:?} of {selector} is clicked"), || {
            self.run_with(script, &arguments) == true
        });
    }

    /// The value that the row of a key shows; none if there is no such row.
    pub fn row(&self, key: &str) -> Option<String> {
        let script = "
            const row = [...document.querySelectorAll('#keys-rows tr')].find((row) =>
                row.querySelector('.key-name').innerText === arguments[0]);
            return row ? row.children[1].innerText : null;";
        self.run_with(script, &[key.into()]).as_str().map(str::to_owned)
    }

    /// What can be used and has no name.
    pub fn nameless(&self) -> Vec<String> {
        let found = self.run(NAMELESS);
        let found = found.as_array().cloned().unwrap_or_default();
        found.iter().map(Value::to_string).collect()
    }
}
