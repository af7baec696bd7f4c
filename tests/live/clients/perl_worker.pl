#!/usr/bin/perl
# SPDX-License-Identifier: BSD-3-Clause
# A worker written with Gearman::Worker, for perl.py:  perl_worker.pl PORT
use strict;
use warnings;
use Gearman::Worker;

$| = 1;
# Over TLS: TLS_CA, and TLS_CERT with TLS_KEY for a certificate of its own.
my $server = !$ENV{TLS_CA} ? "127.0.0.1:$ARGV[0]" : { host => '127.0.0.1', port => $ARGV[0], use_ssl => 1, ca_file => $ENV{TLS_CA},
	$ENV{TLS_CERT} ? (cert_file => $ENV{TLS_CERT}, key_file => $ENV{TLS_KEY}) : () };
my $worker = Gearman::Worker->new(job_servers => [$server]);
$worker->register_function(reverse => sub { return scalar reverse $_[0]->arg });
$worker->register_function(die => sub { die "died of " . $_[0]->arg . "\n" });
$worker->register_function(fail => sub { return undef });
$worker->register_function(pid => sub { return "$$" });
$worker->register_function(progress => sub {
	my $job = shift;
	$job->set_status($_, 3) for 1 .. 3;
	return "done";
});
$worker->register_function(limited => 1000, sub { sleep 3; return "late" });
print "ready\n";
$worker->work while 1;
