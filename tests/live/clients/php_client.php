<?php
// SPDX-License-Identifier: BSD-3-Clause
// A client written with PHP's gearman extension, for php.py:  php_client.php PORT COMMAND [ARGUMENT]...
[, $port, $command] = $argv;
$args = array_slice($argv, 3);
$client = new GearmanClient();
$client->addServer('127.0.0.1', (int)$port);
$client->setTimeout(60000);
switch ($command) {
case 'do':
	$method = $args[0];
	do {
		$result = @$client->$method(...array_slice($args, 1));
		$code = $client->returnCode();
		if ($code == GEARMAN_WORK_STATUS)
			echo 'status ', implode('/', $client->doStatus()), "\n";
		else
			echo ['success', $code => 'code ' . $code, GEARMAN_WORK_DATA => 'data', GEARMAN_WORK_WARNING => 'warning',
			    GEARMAN_WORK_FAIL => 'fail', GEARMAN_SUCCESS => 'success'][$code], " $result\n";
	} while (in_array($code, [GEARMAN_WORK_DATA, GEARMAN_WORK_WARNING, GEARMAN_WORK_STATUS]));
	break;
case 'status':
	echo json_encode($client->jobStatus($args[0])), "\n";
	break;
case 'ping':
	echo $client->ping($args[0]) ? "pong\n" : "nothing\n";
	break;
case 'tasks':
	$client->enableExceptionHandler();
	$client->setDataCallback(function ($task) { echo 'data ', $task->data(), "\n"; });
	$client->setCompleteCallback(function ($task) { echo 'complete ', $task->data(), "\n"; });
	$client->setFailCallback(function ($task) { echo "fail\n"; });
	$client->setExceptionCallback(function ($task) { echo 'exception ', $task->data(), "\n"; });
	foreach (array_slice($args, 1) as $n => $work)
		$client->addTask($args[0], $work, null, "unique$n");
	$client->runTasks();
	break;
}
