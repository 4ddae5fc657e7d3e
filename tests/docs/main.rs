//! Does what is written agree with what there is?

mod packages;
mod pages;
mod states;
