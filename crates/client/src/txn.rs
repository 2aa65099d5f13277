//! Transactions: compare, then do one list of operations or another, in one revision or not at all
//! (docs/http.md).
//!
//! ```no_run
//! use client::{Compare, Operation, Txn};
//!
//! # async fn example(client: client::Client) -> Result<(), client::Error> {
//! let claim = Txn::new()
//!     .when(Compare::absent("jobs/7/owner"))
//!     .then(Operation::put("jobs/7/owner", "worker-1"))
//!     .otherwise(Operation::get("jobs/7/owner"));
//! println!("claimed: {}", client.txn(&claim).await?.succeeded);
//! # Ok(())
//! # }
//! ```
//!
//! What is asked is checked by the store, before anything is done: that no list has more than 128
//! operations, and that no key is put twice.

mod answer;
mod build;
mod encoded;

use hyper::Method;

pub use self::answer::{TxnDone, TxnResult};
pub use self::build::{
    Compare, DeleteOperation, GetOperation, Operand, Operation, Order, PutOperation, Relation,
    RevisionBounds, SortBy, Txn,
};
use crate::client::{Client, JSON, strange, understand, understand_write, write};
use crate::{Error, txn::answer::EncodedDone};

impl Client {
    /// Does a transaction, once, however often it is sent. One that only reads is linearizable.
    ///
    /// # Errors
    /// The refusals `too_many_operations`, `duplicate_key` and others, as docs/http.md has them;
    /// [`Error::Unknown`] if it may have happened all the same; otherwise it did not.
    pub async fn txn(&self, txn: &Txn) -> Result<TxnDone, Error> {
        let call = write(Method::POST, "/txn".to_owned(), Some((txn.to_json().into(), JSON)));
        if txn.only_reads() {
            let answer = self.call(call.harmless()).await?;
            return understand::<EncodedDone>(&answer)?.decode();
        }
        let answer = self.send_change(call).await?;
        understand_write::<EncodedDone>(&answer)?.decode().map_err(|error| strange(&error))
    }
}
