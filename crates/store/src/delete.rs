//! A delete under way.

use crate::budget::Budget;
use crate::key_range::{KeyRange, Span};
use crate::leaf::Burial;
use crate::ledger::Ledger;
use crate::record::Record;
use crate::tree::Tree;
use crate::types::{KeyValue, Revision};
use crate::version::{Version, With};

/// A delete under way. It buries keys at the revision after the store's, which nobody can read
/// before it is done; what it changes in the books is kept apart until then.
#[derive(Debug)]
pub(crate) struct Delete {
    span: Span,
    /// Only keys that are fields of this record go, if it is about one.
    record: Option<Record>,
    /// The next key to look at; `None` at the end of the span.
    from: Option<Box<[u8]>>,
    prev_kv: bool,
    pub(crate) revision: Revision,
    /// What it changes in the books.
    pub(crate) ledger: Ledger,
    pub(crate) count: u64,
    pub(crate) prev: Vec<KeyValue>,
}

impl Delete {
    pub(crate) fn new(
        range: &KeyRange,
        prev_kv: bool,
        ledger: Ledger,
        revision: Revision,
    ) -> Delete {
        let span = range.span();
        Delete {
            from: Some(Box::from(span.start.as_ref())),
            span,
            record: None,
            prev_kv,
            revision,
            ledger,
            count: 0,
            prev: Vec::new(),
        }
    }

    /// Of the fields of a record. One without a name, which no gateway lets in, has none.
    pub(crate) fn of_record(name: &[u8], ledger: Ledger, revision: Revision) -> Delete {
        match Record::named(name) {
            Some(record) => {
                let delete = Delete::new(&record.range(), false, ledger, revision);
                Delete { record: Some(record), ..delete }
            }
            None => Delete { from: None, ..Delete::new(&KeyRange::all(), false, ledger, revision) },
        }
    }

    /// Buries keys until the budget is spent; true at the end of the span.
    pub(crate) fn advance(&mut self, tree: &Tree, budget: &mut Budget) -> bool {
        while let Some(from) = self.from.take() {
            if budget.is_spent() {
                self.from = Some(from);
                return false;
            }
            let is_meant =
                |key: &[u8]| self.record.as_ref().is_none_or(|record| record.has_key(key));
            let burial = Burial { from: &from, span: &self.span, is_meant: &is_meant };
            self.from = tree.bury(burial, self.revision, budget, |key, version| {
                self.count += 1;
                self.ledger.remove(key, version);
                self.ledger.tally.keep(&Version::tombstone(self.revision));
                if self.prev_kv {
                    self.prev.extend(version.key_value(key, With::Value));
                }
            });
        }
        true
    }
}
