//! The program: a runtime, the command line, an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(_) => return ExitCode::FAILURE,
    };
    let exit = runtime.block_on(tidal_cleanup::cli::run(std::env::args_os()));
    // A blocked thread (a hanging network volume) must not keep the program from ending.
    runtime.shutdown_background();
    exit.into()
}
