//! What an attacker would try on the machine of whoever builds images: hostile images, archives, servers, project folders and
//! cache directories. Each is tried with the program itself, in 512 MiB of memory and 30 seconds.

#![cfg(test)]

mod bounds;
mod cache;
mod clock;
mod leftovers;
mod limits;
mod overlays;
mod placement;
mod project;
mod servers;
mod terminal;
mod yaml;
