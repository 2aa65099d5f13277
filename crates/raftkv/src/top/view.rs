//! What a person has chosen to see of the model: filter, pause, place in the list, help.

use client::Heard;

use super::keys::Action;
use super::model::{Filter, Model};

/// The model, and how it is looked at.
#[derive(Debug)]
pub(super) struct View {
    live: Model,
    /// The model as it was when it was paused.
    frozen: Option<Box<Model>>,
    pub(super) filter: Filter,
    /// So many of the newest events are passed over.
    pub(super) scroll: usize,
    pub(super) help: bool,
}

impl View {
    pub(super) fn new() -> View {
        let (live, filter) = (Model::new(), Filter::default());
        View { live, frozen: None, filter, scroll: 0, help: false }
    }

    /// Takes what was heard. Whoever reads older events keeps them before the eyes.
    pub(super) fn hear(&mut self, heard: Heard) {
        if let Heard::Envelope(envelope) = &heard {
            let is_shown = self.frozen.is_none() && self.scroll > 0;
            let new = envelope.events.iter().filter(|event| self.filter.shows(&event.happened));
            self.scroll += if is_shown { new.count() } else { 0 };
        }
        self.live.hear(heard);
        self.stay_in_range();
    }

    /// Nobody tells for now.
    pub(super) fn lose(&mut self, reason: &str) {
        self.live.lose(reason);
    }

    /// What is to be seen.
    pub(super) fn shown(&self) -> &Model {
        self.frozen.as_deref().unwrap_or(&self.live)
    }

    pub(super) fn is_paused(&self) -> bool {
        self.frozen.is_some()
    }

    /// Does what a key asks for; whether to go on.
    pub(super) fn act(&mut self, action: Action) -> bool {
        if std::mem::take(&mut self.help) && action != Action::Quit {
            return true;
        }
        match action {
            Action::Quit => return false,
            Action::Help => self.help = true,
            Action::Filter => (self.filter, self.scroll) = (self.filter.next(), 0),
            Action::Pause => {
                let is_live = self.frozen.is_none();
                self.frozen = is_live.then(|| Box::new(self.live.clone()));
            }
            Action::Older(by) => self.scroll = self.scroll.saturating_add(by),
            Action::Newer(by) => self.scroll = self.scroll.saturating_sub(by),
            Action::Nothing => {}
        }
        self.stay_in_range();
        true
    }

    fn stay_in_range(&mut self) {
        let last = self.shown().events(self.filter).len().saturating_sub(1);
        self.scroll = self.scroll.min(last);
    }
}

#[cfg(test)]
mod tests {
    use client::Happened;

    use super::*;
    use crate::top::tests::{envelope, event};

    fn view(events: u64) -> View {
        let mut view = View::new();
        (0..events).for_each(|t_us| view.hear(envelope(vec![event(t_us, Happened::Started)])));
        view
    }

    /// When the event at the top of the list happened.
    fn top(view: &View) -> u64 {
        view.shown().events(view.filter)[view.scroll].t_us
    }

    #[test]
    fn what_is_paused_stands_still_and_goes_on_with_all_that_came() {
        let mut view = view(3);
        assert!(view.act(Action::Pause) && view.is_paused());
        view.hear(envelope(vec![event(9, Happened::Started)]));
        assert_eq!(top(&view), 2);
        view.act(Action::Pause);
        assert_eq!((view.is_paused(), top(&view)), (false, 9));
    }

    #[test]
    fn older_events_stay_before_the_eyes_while_new_ones_come() {
        let mut view = view(10);
        view.act(Action::Older(4));
        assert_eq!(top(&view), 5);
        view.hear(envelope(vec![event(10, Happened::Started)]));
        view.hear(envelope(vec![event(11, Happened::Committed { index: 1 })]));
        assert_eq!(top(&view), 5);
        view.act(Action::Newer(usize::MAX));
        assert_eq!(top(&view), 10);
    }

    #[test]
    fn nobody_scrolls_past_the_end() {
        let mut view = view(3);
        view.act(Action::Older(usize::MAX));
        view.act(Action::Older(1));
        assert_eq!(view.scroll, 2);
        view.act(Action::Filter);
        assert_eq!((view.filter, view.scroll), (Filter::Keys, 0));
    }

    #[test]
    fn any_key_ends_the_help_and_does_nothing_else() {
        let mut view = view(0);
        view.act(Action::Help);
        assert!(view.help);
        assert!(view.act(Action::Pause));
        assert_eq!((view.help, view.is_paused()), (false, false));
        view.act(Action::Help);
        assert!(!view.act(Action::Quit));
    }
}
