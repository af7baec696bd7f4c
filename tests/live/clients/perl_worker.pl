#!/usr/bin/perl
# SPDX-License-Identifier: BSD-3-Clause
# A worker written with Gearman::Worker, for perl.py:  perl_worker.pl PORT
use strict;
use warnings;
use Gearman::Worker;

$| = 1;
my $worker = Gearman::Worker->new(job_servers => ["127.0.0.1:$ARGV[0]"]);
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
