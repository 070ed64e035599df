/* skep/skep.h - the data layer: stores, proxies and handles. What a program that links -lskep includes.
 *
 * Each idea has its own header, which says its units, errors, threads and owners.
 */
#ifndef SKEP_SKEP_H
#define SKEP_SKEP_H

#include <skep/buf.h>
#include <skep/clock.h>
#include <skep/codec.h>
#include <skep/error.h>
#include <skep/handle.h>
#include <skep/log.h>
#include <skep/metrics.h>
#include <skep/proxy.h>
#include <skep/ref.h>
#include <skep/safetensors.h>
#include <skep/store.h>
#include <skep/uri.h>

#endif
