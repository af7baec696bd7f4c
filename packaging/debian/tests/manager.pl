#!/usr/bin/perl
# SPDX-License-Identifier: BSD-3-Clause
# manager.pl SOCKET COMMAND... - starts a command as a service manager does, with NOTIFY_SOCKET, and ends when that is ready:
# prints "ready PID".  Status 1 when the command ends, or is not ready after a minute.
use strict;
use warnings;
use IO::Socket::UNIX;
use Socket;

my $path = shift;
unlink $path;
my $manager = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or die "$path: $!";
chmod 0777, $path;
$ENV{NOTIFY_SOCKET} = $path;
$SIG{ALRM} = sub { die "not ready\n" };
$SIG{CHLD} = sub { die "it ended at once\n" };
my $pid = fork() // die "fork: $!";
if ($pid == 0) {
	exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!";
}
alarm 60;
while (1) {
	$manager->recv(my $told, 4096);
	last if $told =~ /^READY=1$/m;
}
print "ready $pid\n";
