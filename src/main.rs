//! The program: a runtime, the command line, an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A shell that wants to know what may be typed gets its answer, and that is all.
    tidal_cleanup::cli::complete::answer_shell();
    // Each connection to SQLite has a thread, which may still be ending when the process does. OpenSSL
    // must not tidy up under its feet: this, said first, leaves its tidying out.
    openssl_sys::init();
    let Ok(runtime) = tokio::runtime::Runtime::new() else {
        return ExitCode::FAILURE;
    };
    let exit = runtime.block_on(tidal_cleanup::cli::run(std::env::args_os()));
    // A blocked thread (a hanging network volume) must not keep the program from ending.
    runtime.shutdown_background();
    exit.into()
}
