//! Does what is written agree with what there is?

mod pages;
mod states;
