//! Tests of Onset as a whole.
