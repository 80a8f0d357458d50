/* SPDX-License-Identifier: Apache-2.0 */

/* DNS messages are taken apart by ldns; here is only what we want to know of them. */

#include <ctype.h>
#include <errno.h>
#include <ldns/ldns.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/endpoint.h"
#include "names/answer.h"

#define ADDRESSES_MAX 64

DEFINE_CLEANUP(ldns_pkt *, packet, ldns_pkt_free)
DEFINE_CLEANUP(ldns_rdf *, name, ldns_rdf_deep_free)

static int read_name(const ldns_rdf *owner, char *name)
{
        _cleanup_free_ char *text = ldns_rdf2str(owner);
        size_t length;

        if (!text)
                return -EBADMSG;
        length = strlen(text);
        if (length > 0 && text[length - 1] == '.')
                length--;
        if (length == 0 || length >= ANSWER_NAME_MAX)
                return -EBADMSG;
        for (size_t i = 0; i < length; i++)
                name[i] = (char)tolower((unsigned char)text[i]);
        name[length] = '\0';
        return 0;
}

static int question_name(const ldns_pkt *packet, char *name)
{
        const ldns_rr_list *questions = ldns_pkt_question(packet);

        if (ldns_rr_list_rr_count(questions) != 1)
                return -EBADMSG;
        return read_name(ldns_rr_owner(ldns_rr_list_rr(questions, 0)), name);
}

int question_parse(const uint8_t *bytes, size_t size, char name[static ANSWER_NAME_MAX])
{
        _cleanup_(cleanup_name) ldns_rdf *owner = NULL;
        size_t at = LDNS_HEADER_SIZE;

        if (size < LDNS_HEADER_SIZE || LDNS_QR_WIRE(bytes) ||
            LDNS_OPCODE_WIRE(bytes) != LDNS_PACKET_QUERY || LDNS_QDCOUNT(bytes) != 1 ||
            ldns_wire2dname(&owner, bytes, size, &at) != LDNS_STATUS_OK)
                return -EBADMSG;
        return read_name(owner, name);
}

static bool record_address(const ldns_rr *record, struct in6_addr *ret_address)
{
        const ldns_rdf *data = ldns_rr_rd_count(record) > 0 ? ldns_rr_rdf(record, 0) : NULL;
        struct in_addr ipv4;

        if (!data)
                return false;
        if (ldns_rr_get_type(record) == LDNS_RR_TYPE_A && ldns_rdf_size(data) == sizeof(ipv4)) {
                memcpy(&ipv4, ldns_rdf_data(data), sizeof(ipv4));
                *ret_address = address_from_ipv4(ipv4);
                return true;
        }
        if (ldns_rr_get_type(record) == LDNS_RR_TYPE_AAAA &&
            ldns_rdf_size(data) == sizeof(*ret_address)) {
                memcpy(ret_address, ldns_rdf_data(data), sizeof(*ret_address));
                return true;
        }
        return false;
}

int answer_parse(const uint8_t *bytes, size_t size, answer_fn *fn, void *userdata)
{
        _cleanup_(cleanup_packet) ldns_pkt *packet = NULL;
        const ldns_rr_list *records;
        char name[ANSWER_NAME_MAX];
        struct in6_addr address;

        if (ldns_wire2pkt(&packet, bytes, size) != LDNS_STATUS_OK)
                return -EBADMSG;
        if (!ldns_pkt_qr(packet) || ldns_pkt_get_rcode(packet) != LDNS_RCODE_NOERROR ||
            question_name(packet, name) < 0)
                return -EBADMSG;
        records = ldns_pkt_answer(packet);
        for (size_t i = 0; i < ldns_rr_list_rr_count(records) && i < ADDRESSES_MAX; i++) {
                const ldns_rr *record = ldns_rr_list_rr(records, i);

                if (record_address(record, &address))
                        fn(name, &address, ldns_rr_ttl(record), userdata);
        }
        return 0;
}
