//! The second judge: is there an order in which the answers about one key make sense? Nothing else
//! is asked for: no revisions, no log, no model of the store. It shares no code with the
//! simulator's oracle.
//!
//! In general such an order is hard to find. Here a value is written once at most, which makes it
//! easy, in the manner of Gibbons and Korach. Whoever wrote a value, all who found it, and whoever
//! found and replaced it stand together in any order, for nothing else may come in between; so do
//! those who found what that one left, and so on. They make one *block*. It has to come after
//! another if one of its operations was called after one of the other's was answered: only its last
//! call and its first return count.
//!
//! Values bind nobody beyond their block. Only the lack of one does, for many can have left it:
//!
//! | kind | finds | leaves | of those that need not wait for others it comes next |
//! |---|---|---|---|
//! | look | nothing | nothing | while nothing is there: it changes nothing |
//! | claim | nothing | a value | while nothing is there, if no look can come |
//! | write | whatever | a value | while a value is there, or if no look or claim can come |
//! | removal | whatever | nothing | if nothing else can: it may have to make room for a claim |
//!
//! If there is an order at all, there is one that goes by this table. Take any, and move to the
//! front what the table takes next: the others find what they found before, or nothing where there
//! was a value, and that suits everybody, for nobody needs a value. Of one kind the one that comes
//! first is the one that returns first: another can stand wherever that one stood. So nothing is
//! tried in vain; the work is that of sorting the blocks. A test compares this with a trial of all
//! orders.
//!
//! What is undecided fails its life, as rule 14.3 has it: what nobody can judge was not checked.

use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

/// What is there: the number of a value, or nothing.
pub type Value = Option<u64>;

/// Something that a client did with the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// When it was asked for.
    pub called: u64,
    /// When it was answered; if never, it may take effect at any time, or not at all.
    pub returned: Option<u64>,
    /// What it found, if it says so. Only answers do.
    pub saw: Option<Value>,
    /// What it left, if it changed anything.
    pub left: Option<Value>,
}

/// What came of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order.
    Ordered,
    /// There is none.
    Impossible,
    /// A value was written twice: it does not tell who wrote it.
    Undecided,
}

/// Looks for an order of these operations, in which the key is absent at first.
pub fn search(operations: &[Operation]) -> Verdict {
    match blocks(operations) {
        Err(verdict) => verdict,
        Ok(blocks) if Rest::of(&blocks).has_an_order() => Verdict::Ordered,
        Ok(_) => Verdict::Impossible,
    }
}

/// What a block finds and leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Look,
    Claim,
    Write,
    Removal,
}

const KINDS: usize = 4;
/// Which comes first.
const WITHOUT_A_VALUE: [Kind; KINDS] = [Kind::Look, Kind::Claim, Kind::Write, Kind::Removal];
const WITH_A_VALUE: [Kind; 2] = [Kind::Write, Kind::Removal];

/// Operations that stand together in any order.
#[derive(Clone, Debug)]
struct Block {
    kind: Kind,
    /// When the last of its operations was called.
    called: u64,
    /// When the first of them was answered; if none was, the block need not happen.
    returned: Option<u64>,
}

impl Block {
    fn of(operation: &Operation, kind: Kind) -> Block {
        let Operation { called, returned, .. } = *operation;
        Block { kind, called, returned }
    }

    /// Another operation joins, which comes after those that were called up to `before`.
    fn join(&mut self, operation: &Operation, before: u64) -> Result<(), Verdict> {
        let returned = operation.returned.unwrap_or(u64::MAX);
        if returned <= before {
            return Err(Verdict::Impossible);
        }
        self.called = self.called.max(operation.called);
        self.returned = Some(returned.min(self.returned.unwrap_or(u64::MAX)));
        Ok(())
    }
}

/// Who found a value.
#[derive(Debug, Default)]
struct Finders<'a> {
    readers: Vec<&'a Operation>,
    changers: Vec<&'a Operation>,
}

type Found<'a> = BTreeMap<u64, Finders<'a>>;

/// All operations, in blocks. What was never answered, and left what nobody saw, need not have
/// happened, and helps nobody.
fn blocks(operations: &[Operation]) -> Result<Vec<Block>, Verdict> {
    let (mut found, mut written) = (finders(operations), BTreeSet::new());
    let mut values = operations.iter().filter_map(|operation| operation.left?);
    if !values.all(|value| written.insert(value)) {
        return Err(Verdict::Undecided);
    }
    let mut blocks = Vec::new();
    for operation in operations {
        let kind = match (operation.saw, operation.left) {
            // They are part of what begins with the value that they found.
            (Some(Some(_)), _) => continue,
            (None, None) => continue,
            (Some(None), None | Some(None)) => Kind::Look,
            (None, Some(None)) => Kind::Removal,
            (Some(None), Some(Some(_))) => Kind::Claim,
            (None, Some(Some(value))) => {
                if operation.returned.is_none() && !found.contains_key(&value) {
                    continue;
                }
                Kind::Write
            }
        };
        blocks.push(block(operation, kind, &mut found)?);
    }
    // The others found what nobody wrote.
    if found.is_empty() { Ok(blocks) } else { Err(Verdict::Impossible) }
}

fn finders(operations: &[Operation]) -> Found<'_> {
    let mut found = Found::new();
    for operation in operations {
        let said = operation.saw.is_none() || operation.returned.is_some();
        assert!(said, "search: only an answer says what was found, unlike {operation:?}");
        if let Some(Some(value)) = operation.saw {
            let finders = found.entry(value).or_default();
            let changes = operation.left.is_some();
            let finders = if changes { &mut finders.changers } else { &mut finders.readers };
            finders.push(operation);
        }
    }
    found
}

/// The block that begins with `first`: takes those who are in it out of `found`.
fn block(first: &Operation, kind: Kind, found: &mut Found<'_>) -> Result<Block, Verdict> {
    let (mut block, mut left) = (Block::of(first, kind), first.left);
    while let Some(Finders { readers, changers }) = left.flatten().and_then(|v| found.remove(&v)) {
        let before = block.called;
        readers.iter().try_for_each(|reader| block.join(reader, before))?;
        match changers.as_slice() {
            [] => break,
            [changer] => {
                let before = block.called;
                block.join(changer, before)?;
                left = changer.left;
            }
            // Only one of them can have found it.
            _ => return Err(Verdict::Impossible),
        }
    }
    if left == Some(None) {
        block.kind = match kind {
            Kind::Look | Kind::Claim => Kind::Look,
            Kind::Write | Kind::Removal => Kind::Removal,
        };
    }
    Ok(block)
}

/// The blocks that are not in the order yet.
struct Rest<'a> {
    blocks: &'a [Block],
    /// Those that have to happen, by their returns.
    open: BTreeSet<(u64, usize)>,
    /// Those that others have to come before, by their calls.
    waiting: BTreeSet<(u64, usize)>,
    /// Those that nobody has to come before, of each kind, by their returns.
    ready: [BTreeSet<(u64, usize)>; KINDS],
}

impl Rest<'_> {
    fn of(blocks: &[Block]) -> Rest<'_> {
        let numbered = || blocks.iter().enumerate();
        Rest {
            blocks,
            open: numbered()
                .filter_map(|(number, block)| Some((block.returned?, number)))
                .collect(),
            waiting: numbered().map(|(number, block)| (block.called, number)).collect(),
            ready: Default::default(),
        }
    }

    /// Whether all that have to happen can come, one after the other.
    fn has_an_order(mut self) -> bool {
        let mut is_there = false;
        while !self.open.is_empty() {
            self.admit();
            let Some(kind) = self.take_next(is_there) else { return false };
            is_there = matches!(kind, Kind::Claim | Kind::Write);
        }
        true
    }

    /// Makes those ready that nobody who is left has to come before.
    fn admit(&mut self) {
        while let Some(number) = self.admissible() {
            let Block { kind, called, returned } = self.blocks[number];
            self.waiting.remove(&(called, number));
            self.ready[kind as usize].insert((returned.unwrap_or(u64::MAX), number));
        }
    }

    /// If any can come, then the one that was called first, or the one that returns first: it alone
    /// does not have to wait for that return.
    fn admissible(&self) -> Option<usize> {
        let mut candidates = self.waiting.first().into_iter().chain(self.open.first());
        let candidate = candidates.find(|&&(_, number)| {
            let called = self.blocks[number].called;
            let mut others = self.open.iter().filter(|(_, other)| *other != number);
            let may_come = others.next().is_none_or(|&(returned, _)| called < returned);
            may_come && self.waiting.contains(&(called, number))
        });
        candidate.map(|&(_, number)| number)
    }

    /// Takes the one that comes next, and tells its kind.
    fn take_next(&mut self, is_there: bool) -> Option<Kind> {
        let kinds = if is_there { &WITH_A_VALUE[..] } else { &WITHOUT_A_VALUE[..] };
        let kind = *kinds.iter().find(|&&kind| !self.ready[kind as usize].is_empty())?;
        let next = self.ready[kind as usize].pop_first()?;
        self.open.remove(&next);
        Some(kind)
    }
}
