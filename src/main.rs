//! The command `dondoc`: arguments in, exit code out.

fn main() -> std::process::ExitCode {
    dondoc::cli::main()
}
