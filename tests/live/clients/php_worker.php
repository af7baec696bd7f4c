<?php
// SPDX-License-Identifier: BSD-3-Clause
// A worker written with PHP's gearman extension, for php.py:  php_worker.php PORT COUNT
$worker = new GearmanWorker();
$worker->addServer('127.0.0.1', (int)$argv[1]);
$worker->setId('php_worker');
$worker->addFunction('reverse', function (GearmanJob $job) { return strrev($job->workload()); });
$worker->addFunction('unique', function (GearmanJob $job) { return $job->unique(); });
$worker->addFunction('talk', function (GearmanJob $job) {
	$job->sendData('part');
	$job->sendWarning('careful');
	$job->sendStatus(1, 2);
	return 'end';
});
$worker->addFunction('fail', function (GearmanJob $job) { $job->sendFail(); });
$worker->addFunction('throw', function (GearmanJob $job) { $job->sendException('thrown'); });
echo "ready\n";
for ($n = (int)$argv[2]; $n > 0; $n--)
	if (!@$worker->work() && !in_array($worker->returnCode(), [GEARMAN_SUCCESS, GEARMAN_WORK_FAIL])) {
		fwrite(STDERR, $worker->error() . "\n");
		exit(1);
	}
