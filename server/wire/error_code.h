/* SPDX-License-Identifier: BSD-3-Clause
 *
 * error_code.h - codes and texts of ERROR packets, as gearmand 1.1 sends them.
 */
#ifndef GEARMAND_WIRE_ERROR_CODE_H
#define GEARMAND_WIRE_ERROR_CODE_H

/*    name                 code                    text */
/* clang-format off */
#define WIRE_ERRORS(X) \
	X(INVALID_MAGIC,       "INVALID_MAGIC",        "Request magic expected") \
	X(INVALID_COMMAND,     "INVALID_COMMAND",      "Command not expected") \
	X(UNIQUE_TOO_LARGE,    "ARGUMENT_TOO_LARGE",   "Unique value too large") \
	X(REDUCER_TOO_LARGE,   "ARGUMENT_TOO_LARGE",   "Reducer value too large") \
	X(ARGUMENT_TOO_LARGE,  "ARGUMENT_TOO_LARGE",   "Arguments of the packet are too large") \
	X(HANDLE_TOO_LARGE,    "ARGUMENT_TOO_LARGE",   "Job handle too large") \
	X(NUMBER_TOO_LARGE,    "ARGUMENT_TOO_LARGE",   "Number is out of range") \
	X(PACKET_TOO_LARGE,    "ARGUMENT_TOO_LARGE",   "Packet is larger than this server accepts") \
	X(TOO_FEW_ARGUMENTS,   "INVALID_PACKET",       "Packet has too few arguments") \
	X(BAD_SCHEDULE,        "INVALID_PACKET",       "Schedule field is neither empty, '*' nor a number in range") \
	X(QUEUE_FULL,          "QUEUE_ERROR",          "Job queue is full") \
	X(QUEUE_FAILED,        "QUEUE_ERROR",          "QUEUE_ERROR") \
	X(QUEUE_TIMEOUT,       "QUEUE_ERROR",          "The queue's store did not answer in time") \
	X(STORE_BEHIND,        "QUEUE_ERROR",          "Too much waits for the queue's store already") \
	X(SERVER_FULL,         "QUEUE_ERROR",          "The server holds as many jobs as it may") \
	X(BODIES_FULL,         "QUEUE_ERROR",          "The server has no room for the packet now") \
	X(TOO_MANY_CLIENTS,    "QUEUE_ERROR",          "As many clients as may wait for this job already") \
	X(NO_MEMORY,           "QUEUE_ERROR",          "MEMORY_ALLOCATION_FAILURE") \
	X(TOO_MANY_FUNCTIONS,  "QUEUE_ERROR",          "The server holds as many functions as it may") \
	X(MAY_NOT_SUBMIT,      "NOT_ALLOWED",          "This connection may not submit jobs of this function") \
	X(MAY_NOT_WORK,        "NOT_ALLOWED",          "This connection may not do jobs of this function") \
	X(MAY_NOT_ASK,         "NOT_ALLOWED",          "This connection may not ask for jobs") \
	X(SHUTTING_DOWN,       "SHUTDOWN_GRACEFUL",    "The server is shutting down") \
	X(UNKNOWN_OPTION,      "UNKNOWN_OPTION",       "Server does not recognize given option") \
	X(JOB_GONE,            "JOB_NOT_FOUND",        "Job does not exist on server") \
	X(JOB_NOT_FOUND,       "JOB_NOT_FOUND",        "Job given in work result not found") \
	X(JOB_GONE_EXCEPTION,  "JOB_NOT_FOUND",        "An exception was received for a job that does not exist") \
	X(FAIL_HANDLE_TOO_LARGE, "ARGUMENT_TOO_LARGE", "Error occurred due to GEARMAND_JOB_HANDLE_SIZE being too small from snprintf")
/* clang-format on */

enum wire_error {
#define X(name, code, text) WIRE_##name,
	WIRE_ERRORS(X)
#undef X
	    WIRE_ERROR_COUNT
};

const char *wire_error_code(enum wire_error); /* static */
const char *wire_error_text(enum wire_error); /* static */

#endif
