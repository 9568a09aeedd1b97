# A Homebrew formula. Put it into a tap of yours, with the release's address and its SHA-256:
#   brew install --build-from-source ./tidal-cleanup.rb
class TidalCleanup < Formula
  desc "Plan and apply for a DJ's music library: TIDAL, files, Rekordbox"
  homepage "https://example.org/tidal-cleanup"
  url "https://example.org/tidal-cleanup-0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license any_of: ["MIT", "Apache-2.0"]

  depends_on "rust" => :build
  uses_from_macos "perl" => :build

  def install
    system "cargo", "install", *std_cargo_args
    system bin/"tidal-cleanup", "man", man1
    generate_completions_from_executable(bin/"tidal-cleanup", "completions", shells: [:bash, :zsh, :fish])
  end

  service do
    run [opt_bin/"tidal-cleanup", "watch"]
    keep_alive successful_exit: false
    log_path var/"log/tidal-cleanup.log"
    error_log_path var/"log/tidal-cleanup.log"
  end

  test do
    system bin/"tidal-cleanup", "demo", testpath/"demo"
  end
end
