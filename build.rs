//! Sets the linker up for a Node.js addon; the pure core needs nothing.

fn main() {
    #[cfg(feature = "binding")]
    napi_build::setup();
}
