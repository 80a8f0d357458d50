/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What verifiers of older kernels refuse, found with this one: Linux 6.1 is the oldest that netext
 * is for (make test-kernel boots it). Needs root.
 */

#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>
#include <cmocka.h>

#include "bpf/steer.abi.h"
#include "steer.skel.h"

#define STACK_MAX     512 /* MAX_BPF_STACK */
#define STACK_STEP    32  /* check_max_stack_depth() before 6.8; since then 16 at most */
#define FUNCTIONS_MAX 64
#define LOG_SIZE      (32U * 1024 * 1024)
#define FRAME_POINTER (1U << BPF_REG_10)

static struct steer_bpf *skeleton;

/* A program's functions, by their first instructions. */
struct functions {
        size_t begins[FUNCTIONS_MAX];
        size_t n;
};

/* The instruction that this one calls, or gives a helper to call; 0: none. */
static size_t called_by(const struct bpf_insn *insns, size_t i)
{
        bool calls = insns[i].code == (BPF_JMP | BPF_CALL) && insns[i].src_reg == BPF_PSEUDO_CALL;
        bool hands_over =
                insns[i].code == (BPF_LD | BPF_IMM | BPF_DW) && insns[i].src_reg == BPF_PSEUDO_FUNC;

        return calls || hands_over ? i + 1 + (size_t)insns[i].imm : 0;
}

static int by_position(const void *a, const void *b)
{
        size_t x = *(const size_t *)a, y = *(const size_t *)b;

        return x < y ? -1 : x > y;
}

/* Which function begins there; n where none does yet. */
static size_t number_of(const struct functions *functions, size_t begin)
{
        size_t i = 0;

        while (i < functions->n && functions->begins[i] != begin)
                i++;
        return i;
}

static void add_function(struct functions *functions, size_t begin)
{
        if (number_of(functions, begin) < functions->n)
                return;
        assert_true(functions->n < FUNCTIONS_MAX);
        functions->begins[functions->n++] = begin;
}

static struct functions functions_of(const struct bpf_program *program)
{
        const struct bpf_insn *insns = bpf_program__insns(program);
        size_t n_insns = bpf_program__insn_cnt(program);
        struct functions functions = {};

        add_function(&functions, 0);
        for (size_t i = 0; i < n_insns; i++)
                if (called_by(insns, i))
                        add_function(&functions, called_by(insns, i));
        qsort(functions.begins, functions.n, sizeof(functions.begins[0]), by_position);
        return functions;
}

/* The part of the frame that an instruction reaches into. frame: the registers that point to it. */
static size_t reach_of(const struct bpf_insn *insn, unsigned int *frame)
{
        unsigned int target = 1U << insn->dst_reg;
        bool is_memory = BPF_MODE(insn->code) == BPF_MEM;

        switch (BPF_CLASS(insn->code)) {
        case BPF_ST:
        case BPF_STX:
                return is_memory && *frame & target && insn->off < 0 ? (size_t)-insn->off : 0;
        case BPF_LDX:
                *frame &= ~target | FRAME_POINTER;
                return is_memory && insn->src_reg == BPF_REG_10 ? (size_t)-insn->off : 0;
        case BPF_ALU64:
                if (insn->code == (BPF_ALU64 | BPF_MOV | BPF_X) && insn->src_reg == BPF_REG_10)
                        *frame |= target;
                else if (insn->code == (BPF_ALU64 | BPF_ADD | BPF_K) && *frame & target)
                        return insn->imm < 0 ? (size_t)-insn->imm : 0;
                else
                        *frame &= ~target | FRAME_POINTER;
        }
        return 0;
}

static size_t stack_of(const struct bpf_insn *insns, size_t begin, size_t end)
{
        unsigned int frame = FRAME_POINTER;
        size_t stack = 1; /* as it counts who needs none */

        for (size_t i = begin; i < end; i++) {
                size_t reach = reach_of(&insns[i], &frame);

                if (reach > stack)
                        stack = reach;
        }
        return (stack + STACK_STEP - 1) / STACK_STEP * STACK_STEP;
}

/* The most that a function and those below it have on the stack. */
static size_t chain_from(const struct bpf_program *program, const struct functions *functions,
                         size_t function)
{
        const struct bpf_insn *insns = bpf_program__insns(program);
        size_t end = function + 1 < functions->n ? functions->begins[function + 1]
                                                 : bpf_program__insn_cnt(program);
        size_t deepest = 0;

        for (size_t i = functions->begins[function]; i < end; i++) {
                size_t below = called_by(insns, i)
                                       ? chain_from(program, functions,
                                                    number_of(functions, called_by(insns, i)))
                                       : 0;

                if (below > deepest)
                        deepest = below;
        }
        return stack_of(insns, functions->begins[function], end) + deepest;
}

static void no_chain_of_calls_needs_more_stack_than_there_is(void **state)
{
        struct bpf_program *program;
        size_t n_deep = 0;

        bpf_object__for_each_program(program, skeleton->obj)
        {
                struct functions functions = functions_of(program);
                size_t stack = chain_from(program, &functions, 0);

                if (stack <= STACK_MAX)
                        continue;
                print_error("%s: %zu bytes\n", bpf_program__name(program), stack);
                n_deep++;
        }
        assert_int_equal(n_deep, 0);
}

/* Whether a line of the log says that the register holds that kind of pointer; true: it says
 * nothing about the register, and earlier lines hold. */
static bool follow_register(const char *line, const char *name, bool holds)
{
        const char *at = line;

        while ((at = strstr(at, name))) {
                const char *value = at + strlen(name);

                if (value[0] == '_' && value[1] == 'w')
                        value += 2;
                if (value[0] == '=')
                        return strncmp(value, "=mem", 4) == 0;
                at++;
        }
        return holds;
}

/*
 * Before 6.2 the memory that an argument of a global function points to is nothing that a map takes
 * a key or a value from (map_key_value_types in kernel/bpf/verifier.c).
 */
static void no_map_takes_a_key_from_an_argument(void **state)
{
        struct bpf_program *program;
        size_t n_refused = 0;

        bpf_object__for_each_program(program, skeleton->obj)
        {
                bool is_memory[2] = {};
                size_t size;
                char *rest = (char *)bpf_program__log_buf(program, &size), *line;

                while ((line = strsep(&rest, "\n"))) {
                        bool is_access = strstr(line, ") call bpf_map_lookup_elem#") ||
                                         strstr(line, ") call bpf_map_update_elem#") ||
                                         strstr(line, ") call bpf_map_delete_elem#");

                        if (is_access &&
                            (is_memory[0] || (is_memory[1] && strstr(line, "update")))) {
                                print_error("%s: %s\n", bpf_program__name(program), line);
                                n_refused++;
                        }
                        is_memory[0] = follow_register(line, "R2", is_memory[0]);
                        is_memory[1] = follow_register(line, "R3", is_memory[1]);
                }
        }
        assert_int_equal(n_refused, 0);
}

static int set_up(void **state)
{
        struct bpf_program *program;

        skeleton = steer_bpf__open();
        if (!skeleton)
                return -1;
        /* Each mark its own and a cgroup to be below, else the verifier does not get far. */
        skeleton->rodata->cgroup_level = 1;
        skeleton->rodata->mark_relay = 1;
        skeleton->rodata->mark_own = 2;
        skeleton->rodata->mark_onward = 3;
        bpf_object__for_each_program(program, skeleton->obj)
        {
                char *log = calloc(1, LOG_SIZE);

                if (!log || bpf_program__set_log_buf(program, log, LOG_SIZE) < 0)
                        return -1;
                bpf_program__set_log_level(program, 2);
        }
        return steer_bpf__load(skeleton);
}

static int tear_down(void **state)
{
        struct bpf_program *program;
        size_t size;

        bpf_object__for_each_program(program, skeleton->obj)
                free((void *)bpf_program__log_buf(program, &size));
        steer_bpf__destroy(skeleton);
        return 0;
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_chain_of_calls_needs_more_stack_than_there_is),
                cmocka_unit_test(no_map_takes_a_key_from_an_argument),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
