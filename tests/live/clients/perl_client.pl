#!/usr/bin/perl
# SPDX-License-Identifier: BSD-3-Clause
# A client written with Gearman::Client, for perl.py:  perl_client.pl PORT COMMAND [ARGUMENT]...
use strict;
use warnings;
use Gearman::Client;

$| = 1;
my ($port, $command, @args) = @ARGV;
# Over TLS: TLS_CA, and TLS_CERT with TLS_KEY for a certificate of its own.
my $server = !$ENV{TLS_CA} ? "127.0.0.1:$port" : { host => '127.0.0.1', port => $port, use_ssl => 1, ca_file => $ENV{TLS_CA},
	$ENV{TLS_CERT} ? (cert_file => $ENV{TLS_CERT}, key_file => $ENV{TLS_KEY}) : () };
my $client = Gearman::Client->new(job_servers => [$server], exceptions => $ENV{EXCEPTIONS} ? 1 : 0);
if ($command eq 'do') {
	my $result = $client->do_task($args[0], $args[1], { uniq => $args[2] });
	print defined $result ? "result $$result\n" : "failed\n";
} elsif ($command eq 'background') {
	print $client->dispatch_background($args[0], $args[1], { uniq => $args[2] }), "\n";
} elsif ($command eq 'status') {
	my $s = $client->get_status($args[0]);
	print defined $s ? join(' ', $s->known ? 1 : 0, $s->running ? 1 : 0, @{ $s->progress || [] }) . "\n" : "none\n";
} elsif ($command eq 'set') {
	my $set = $client->new_task_set;
	for my $n (1 .. $args[2]) {
		$set->add_task($args[0], \"$args[1]$n", {
			on_complete => sub { print "complete ${$_[0]}\n" },
			on_fail => sub { print "fail\n" },
			on_exception => sub { print "exception $_[0]" },
			on_status => sub { print "status $_[0]/$_[1]\n" },
		});
	}
	$set->wait(timeout => 30);
}
