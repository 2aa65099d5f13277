//! Wire types, generated from the .proto files.
