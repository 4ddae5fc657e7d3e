//! Does the suite judge fairly, and find what is wrong?

mod commands;
mod mutants;
mod planted_faults;
mod toy;
