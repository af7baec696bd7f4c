/* SPDX-License-Identifier: BSD-3-Clause
 *
 * interface.c - all types of the module interface in one object, for its debugging information.
 */
#include <gearmand/plugin.h>

#include <gearmand/packet.h>

extern bool interface(const struct gearmand_plugin *, const struct gearmand_host *, const struct gearmand_job *,
    enum gearmand_packet_type, enum gearmand_level, enum gearmand_option_type, enum gearmand_kind);

bool
interface(const struct gearmand_plugin *plugin, const struct gearmand_host *host, const struct gearmand_job *job,
    enum gearmand_packet_type packet, enum gearmand_level level, enum gearmand_option_type option,
    enum gearmand_kind kind)
{
	return plugin && host && job && packet && level && option && kind;
}
