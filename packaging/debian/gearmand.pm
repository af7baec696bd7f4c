# SPDX-License-Identifier: BSD-3-Clause
# The debhelper sequence "gearmand": dh_gearmand when dependencies are found out.
use warnings;
use strict;
use Debian::Debhelper::Dh_Lib;

insert_before('dh_gencontrol', 'dh_gearmand');

1;
