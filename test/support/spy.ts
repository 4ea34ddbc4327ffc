/** A program that looks for what other processes of its pid namespace show. */

/**
 * Perl, as root of a container: looks at every other process as fast as it can, with all that it may, until it
 * is told to stop. Prints each different thing that it saw of one that is caisson-init.
 */
export const SPY = `
  $| = 1;
  my (%said, @found, $looks);
  sub found { push @found, join " ", @_ }
  sub say { my $line = shift; print "$line\\n" unless $said{$line}++ }
  sub joins {
    open(my $file, "<", "/proc/$_[0]/cmdline") or return;
    my $line = <$file> // "";
    return $line =~ /^caisson|node/;
  }
  sub same {
    my @one = stat $_[0] or return "none";
    my @other = stat $_[1] or return "none";
    return "$one[0] $one[1]" eq "$other[0] $other[1]" ? "yes" : "no";
  }
  say "ready";
  until (-e "/tmp/stop") {
    opendir(my $proc, "/proc");
    for my $pid (grep { /^\\d+$/ && $_ != $$ && $_ != 1 } readdir $proc) {
      next unless joins($pid);
      @found = ();
      my $exe = readlink "/proc/$pid/exe";
      found "exe", $exe if defined $exe;
      if (open(my $file, ">>", "/proc/$pid/exe")) { found "writable" }
      if (open(my $file, "<", "/proc/$pid/environ")) { my $all = <$file>; found "environ", $all if $all }
      if (open(my $file, "<", "/proc/$pid/maps")) { while (<$file>) { found "maps", $1 if m{\\s(/\\S+)} } }
      if (opendir(my $dir, "/proc/$pid/fd")) {
        for my $fd (grep { !/^\\./ } readdir $dir) {
          my $to = readlink "/proc/$pid/fd/$fd";
          found "fd", $to if defined $to;
          # A directory that has another above it leads to all that is above.
          found "way out", $to if same("/proc/$pid/fd/$fd/.", "/proc/$pid/fd/$fd/..") eq "no";
        }
      }
      for my $link ("cwd", "root") {
        my $to = readlink "/proc/$pid/$link";
        found $link, $to if defined $to;
        found "outside", $link if same("/proc/$pid/$link/.", "/.") eq "no";
      }
      # What was seen is of that program only as long as it has not become another.
      next unless joins($pid);
      say "seen" if ++$looks >= 20;
      say $_ for @found;
    }
  }
`;
