(* Proven lower bounds on log2 of powers of falling factorials, computed in binary integers.

   Docs: docs/theorems/theorem_4_2.md, "How the numbers are certified". Python:
   bounds/logarithms.py, `log2_falling`; there with decimals, here without any fraction: a product
   is kept as m 2^e, and m is cut to 128 binary digits, downwards, after each factor. *)

From Coq Require Import NArith Lia.
From mathcomp Require Import all_ssreflect.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

(* Binary integers as natural numbers. *)
Lemma to_nat_pow a b : N.to_nat (a ^ b) = N.to_nat a ^ N.to_nat b.
Proof.
rewrite N2Nat.inj_pow; elim: (N.to_nat b) => // n IHn.
by rewrite expnS -IHn.
Qed.

Lemma to_nat_le a b : (a <= b)%num -> N.to_nat a <= N.to_nat b.
Proof. by move=> le_ab; apply/leP; lia. Qed.

Section Truncated.
Local Open Scope N_scope.

(* m 2^e is at most n. *)
Definition below (a : N * N) (n : N) : Prop := fst a * 2 ^ snd a <= n.

Definition cut (a : N * N) : N * N :=
  let s := N.size (fst a) - 128 in (N.shiftr (fst a) s, snd a + s).

Definition times (a b : N * N) : N * N := cut (fst a * fst b, snd a + snd b).

Lemma cut_below a n : below a n -> below (cut a) n.
Proof.
rewrite /below /cut /=; set s := _ - _; rewrite N.shiftr_div_pow2 N.pow_add_r => a_n.
apply: N.le_trans a_n; rewrite (N.mul_comm (2 ^ snd a)) N.mul_assoc.
apply: N.mul_le_mono_r; rewrite N.mul_comm; apply: N.mul_div_le.
exact: N.pow_nonzero.
Qed.

Lemma times_below a b n p : below a n -> below b p -> below (times a b) (n * p).
Proof.
rewrite /times => a_n b_p; apply: cut_below; rewrite /below /= N.pow_add_r.
have := N.mul_le_mono _ _ _ _ a_n b_p; rewrite /below => le_np.
by apply: N.le_trans le_np; rewrite N.mul_shuffle1; apply: N.le_refl.
Qed.

(* x (x-1) ... (x-l+1), exactly and from below. *)
Fixpoint falling (l : nat) (x : N) : N :=
  if l is l'.+1 then x * falling l' (N.pred x) else 1.

Fixpoint falling_from (a : N * N) (l : nat) (x : N) : N * N :=
  if l is l'.+1 then falling_from (times a (x, 0)) l' (N.pred x) else a.

Lemma falling_from_below l : forall a n x, below a n ->
  below (falling_from a l x) (n * falling l x).
Proof.
elim: l => [|l IHl] a n x a_n /=; first by rewrite N.mul_1_r.
rewrite N.mul_assoc; apply: IHl; apply: times_below => //.
by rewrite /below /= N.mul_1_r; apply: N.le_refl.
Qed.

Fixpoint power (a : N * N) (R : nat) : N * N :=
  if R is R'.+1 then times a (power a R') else (1, 0).

Lemma power_below a n R : below a n -> below (power a R) (n ^ N.of_nat R).
Proof.
move=> a_n; elim: R => [|R IHR]; first by rewrite /below; apply: N.le_refl.
by rewrite Nat2N.inj_succ N.pow_succ_r'; apply: times_below.
Qed.

(* The binary digits of what lies below, less one; 0 if nothing does. *)
Definition floor_log2 (a : N * N) : N :=
  if fst a =? 0 then 0 else N.log2 (fst a) + snd a.

Lemma floor_log2_below a n : 0 < n -> below a n -> 2 ^ floor_log2 a <= n.
Proof.
rewrite /floor_log2 => n_gt0 a_n; case: N.eqb_spec => [_ | m_neq0]; first by lia.
rewrite N.pow_add_r; apply: N.le_trans a_n; apply: N.mul_le_mono_r.
by case: (N.log2_spec (fst a)); lia.
Qed.

End Truncated.

(* The falling factorial of Mathematical Components. *)
Lemma to_nat_falling l x : N.to_nat (falling l x) = N.to_nat x ^_ l.
Proof.
elim: l x => [|l IHl] x; first by rewrite ffactn0.
by rewrite ffactnS /= N2Nat.inj_mul IHl N2Nat.inj_pred.
Qed.

Definition log2_falling_power (x l R : N) : N :=
  floor_log2 (power (falling_from (1, 0)%num (N.to_nat l) x) (N.to_nat R)).

Lemma falling_power_below (x l R : N) :
  below (power (falling_from (1, 0)%num (N.to_nat l) x) (N.to_nat R))
    (falling (N.to_nat l) x ^ R)%num.
Proof.
rewrite -{2}(N2Nat.id R); apply: power_below; rewrite -[falling _ _]N.mul_1_l.
by apply: falling_from_below; apply: N.le_refl.
Qed.

(* From powers of two to their exponents. *)
Lemma floor_log2_bound a n c : below a n -> N.to_nat n <= 2 ^ c -> N.to_nat (floor_log2 a) <= c.
Proof.
case: (N.eq_dec (floor_log2 a) 0) => [-> // | log2_neq0] a_n n_c.
have n_gt0 : (0 < n)%num.
  move: a_n log2_neq0; rewrite /below /floor_log2; case: N.eqb_spec => // m_neq0.
  by have := N.pow_nonzero 2 a.2; nia.
rewrite -(leq_exp2l (m := 2)) // (leq_trans _ n_c) //.
by rewrite -[2]/(N.to_nat 2) -to_nat_pow; apply/to_nat_le/floor_log2_below.
Qed.

Lemma to_nat_falling_power x l R :
  N.to_nat (falling (N.to_nat l) x ^ R) = (N.to_nat x ^_ N.to_nat l) ^ N.to_nat R.
Proof. by rewrite to_nat_pow to_nat_falling. Qed.

(* A falling factorial to the power of R, l <= x, has at least so many binary digits. *)
Theorem log2_falling_power_below (x l R : N) : (l <= x)%num ->
  2 ^ N.to_nat (log2_falling_power x l R) <= (N.to_nat x ^_ N.to_nat l) ^ N.to_nat R.
Proof.
move=> /to_nat_le le_lx; rewrite -to_nat_falling_power -[2]/(N.to_nat 2) -to_nat_pow.
apply/to_nat_le/floor_log2_below; last exact: falling_power_below.
have : 0 < N.to_nat (falling (N.to_nat l) x ^ R)%num.
  by rewrite to_nat_falling_power expn_gt0 ffact_gt0 le_lx.
by move/ltP; lia.
Qed.

Theorem log2_falling_power_bound (x l R : N) c :
  (N.to_nat x ^_ N.to_nat l) ^ N.to_nat R <= 2 ^ c -> N.to_nat (log2_falling_power x l R) <= c.
Proof.
by rewrite -to_nat_falling_power; apply: floor_log2_bound; apply: falling_power_below.
Qed.
