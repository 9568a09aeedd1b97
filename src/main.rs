//! The program: a runtime, the command line, an exit code.

use tidal_cleanup::cli;

fn main() {
    // A shell that wants to know what may be typed gets its answer, and that is all.
    if let Some(exit) = cli::complete::answer_shell() {
        cli::leave::leave(exit);
    }
    let exit = match tokio::runtime::Runtime::new() {
        Ok(runtime) => {
            let exit = runtime.block_on(cli::run(std::env::args_os()));
            // A blocked thread (a hanging network volume) must not keep the program from ending.
            runtime.shutdown_background();
            exit
        }
        Err(error) => cli::without_runtime(error),
    };
    cli::leave::leave(exit);
}
