//! Sets the linker up for a Node.js addon; the pure core needs nothing.

fn main() {
    #[cfg(feature = "binding")]
    {
        napi_build::setup();
        fold_identical_code();
    }
}

/// Functions that come out alike are kept once. The linker that Rust brings for this target can; others may not.
#[cfg(feature = "binding")]
fn fold_identical_code() {
    let is_rusts_own = std::env::var_os("RUSTC_LINKER").is_none();
    if is_rusts_own && std::env::var("TARGET").is_ok_and(|target| target == "x86_64-unknown-linux-gnu") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,--icf=all");
    }
}
